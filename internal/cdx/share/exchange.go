package share

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

// parallel is how many exchanges with the gateway run at once.
const parallel = 4

// reply is what an exchange with the gateway brought.
type reply struct {
	text   []byte
	answer Answer
	err    error
}

// exchange talks to the gateway about the actions that need it, in their order, until ctx ends; wait returns when all of
// it is over. replies has a channel for each of them, nil for the others. An exchange begins when one of the last few has
// been received, so that not all texts are in memory at once.
func (s *Set) exchange(ctx context.Context, p *Plan) (replies []chan reply, wait func()) {
	replies = make([]chan reply, len(p.Actions))
	for i := range p.Actions {
		if p.Actions[i].Fetch || p.Actions[i].Kind == Push {
			replies[i] = make(chan reply)
		}
	}
	var running sync.WaitGroup
	jobs := make(chan int)
	running.Go(func() {
		defer close(jobs)
		for i := range replies {
			if replies[i] == nil {
				continue
			}
			select {
			case jobs <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for range parallel {
		running.Go(func() {
			for i := range jobs {
				got := s.ask(ctx, p.folder, p.Actions[i].State, p.Actions[i].Kind, p.Actions[i].Base)
				select {
				case replies[i] <- got:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	return replies, running.Wait
}

// ask fetches the text of one file, or offers one.
func (s *Set) ask(ctx context.Context, f *folder, state State, kind Kind, base string) (got reply) {
	if kind != Push {
		got.text, got.err = s.Fetch(ctx, state.Name)
		switch {
		case got.err != nil:
		case int64(len(got.text)) > f.maxBytes():
			got.err = fmt.Errorf("the gateway's text has more than %d KiB", f.maxBytes()>>10)
		case Digest(got.text) != state.Fleet.SHA256:
			got.err = errors.New("the gateway's text is not the one that it lists")
		}
		return got
	}
	text, now := f.read(f.path(state.Name))
	switch {
	case now != state.Local:
		got.err = errChanged
	case !utf8.Valid(text) || strings.ContainsRune(string(text), 0):
		got.err = errors.New("it is not text, so it cannot be shared")
	default:
		got.answer, got.err = s.Push(ctx, state.Name, text, base)
	}
	return got
}
