package fleet

import (
	"context"
	"fmt"

	"github.com/cdxgate/cdxgate/db"
)

// mostIdle is how many days a host can be silent before nobody counts them any more: the longest that may be waited for.
const mostIdle = 60

// Idle is, by a number of days, how many hosts have been silent for longer than that, and not for longer than a day more; the
// last of them for any longer.
type Idle [mostIdle + 1]int64

// Due is how many hosts [Service.Prune] would retire for their silence now if it waited for so many days; 0: none, since
// silence is no reason then.
func (i *Idle) Due(days int) (hosts int64) {
	if days < 1 {
		return 0
	}
	for _, n := range i[min(days, mostIdle):] {
		hosts += n
	}
	return hosts
}

// Idle counts the hosts by their silence, in one query.
func (s *Service) Idle(ctx context.Context) (*Idle, error) {
	now := s.now()
	rows, err := s.store.HostIdle(ctx, db.HostIdleParams{Now: now, Most: mostIdle, UnprovisionedBefore: now.Add(-ProvisionWithin)})
	if err != nil {
		return nil, fmt.Errorf("counting the silent hosts: %w", err)
	}
	idle := &Idle{}
	for _, row := range rows {
		if 0 <= row.Days && row.Days <= mostIdle { // below: a clock that was ahead
			idle[row.Days] = row.Hosts
		}
	}
	return idle, nil
}
