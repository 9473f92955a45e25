package periodic

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunRepeatsLogsAndStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		passes := 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			Run(ctx, slog.New(slog.NewTextHandler(&log, nil)), []Job{{
				Name: "count", Every: time.Minute,
				Run: func(context.Context) (int, error) {
					passes++
					if passes == 2 {
						return 0, errors.New("no luck")
					}
					return passes, nil
				},
			}})
		}()
		synctest.Wait()
		if passes != 1 {
			t.Errorf("at once: got %d passes, want 1", passes)
		}
		time.Sleep(10 * time.Minute) //nolint:forbidigo // the bubble's clock: it takes no time
		cancel()
		<-done
		if passes < 9 || passes > 10 {
			t.Errorf("after 10 minutes: got %d passes, want 9 or 10", passes)
		}
		text := log.String()
		if strings.Count(text, "no luck") != 1 || !strings.Contains(text, "changed=3") {
			t.Errorf("the log misses a failure or a change: %s", text)
		}
	})
}

func TestStoppingWaitsForThePassUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		ended := false
		done := make(chan struct{})
		go func() {
			defer close(done)
			Run(ctx, slog.New(slog.NewTextHandler(&log, nil)), []Job{{
				Name: "slow", Every: time.Hour,
				Run: func(ctx context.Context) (int, error) {
					<-ctx.Done()
					ended = true
					return 0, ctx.Err()
				},
			}})
		}()
		synctest.Wait()
		cancel()
		<-done
		if !ended {
			t.Error("Run returned before the pass did")
		}
		if log.Len() > 0 {
			t.Errorf("an interrupted pass was logged as a fault: %s", &log)
		}
	})
}
