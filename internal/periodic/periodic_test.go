package periodic

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestRunRepeatsLogsAndStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var passes atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			New(nil, slog.New(slog.NewTextHandler(&log, nil)), []Job{{
				Name: "count", Every: time.Minute, Local: true,
				Run: func(context.Context) (int, error) {
					switch n := int(passes.Add(1)); n {
					case 1, 2: // there is more to do than one batch
						return 500, nil
					case 4:
						return 0, errors.New("no luck")
					case 5:
						panic("no sense")
					default:
						return 0, nil
					}
				},
			}}).Run(ctx)
		}()
		synctest.Wait()
		if n := passes.Load(); n != 3 {
			t.Errorf("at once: got %d passes, want two batches and one that finds nothing", n)
		}
		time.Sleep(10 * time.Minute) //nolint:forbidigo // the bubble's clock: it takes no time
		cancel()
		<-done
		if n := passes.Load(); n < 11 || n > 13 {
			t.Errorf("after 10 minutes: got %d passes, want 12 or one less", n)
		}
		text := log.String()
		if strings.Count(text, "no luck") != 1 || strings.Count(text, "panic: no sense") != 1 || strings.Count(text, "changed=1000") != 1 {
			t.Errorf("the log misses a failure or a change: %s", text)
		}
	})
}

func TestStoppingWaitsForThePassUnderWay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		ctx, cancel := context.WithCancel(t.Context())
		var ended atomic.Bool
		done := make(chan struct{})
		go func() {
			defer close(done)
			New(nil, slog.New(slog.NewTextHandler(&log, nil)), []Job{{
				Name: "slow", Every: time.Hour, Local: true,
				Run: func(ctx context.Context) (int, error) {
					<-ctx.Done()
					ended.Store(true)
					return 0, ctx.Err()
				},
			}}).Run(ctx)
		}()
		synctest.Wait()
		cancel()
		<-done
		if !ended.Load() {
			t.Error("Run returned before the pass did")
		}
		if log.Len() > 0 {
			t.Errorf("an interrupted pass was logged as a fault: %s", &log)
		}
	})
}
