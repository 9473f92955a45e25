//go:build unix

package cdx

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/cdxgate/cdxgate/internal/api"
)

// stopped is what the clock of the machines on terminals says.
var stopped = time.Date(2026, 11, 23, 14, 32, 18, 0, time.UTC)

// told is what a gateway says beside the login, block by block.
type told map[string]any

// usual is a gateway whose quota is far from its limit.
func usual() told {
	return told{
		api.BlockHost:     map[string]any{"fqdn": "build7.example", "secure": true},
		api.BlockVersions: map[string]any{"installation_id": plantedInstallation, "client_version": "0.169.0"},
		api.BlockPolicy:   map[string]any{"quota_hard_fail": true, "quota_limit_percent": 95},
		api.BlockQuota:    quotaSaid("ok", 38, 52),
		api.BlockMonth:    map[string]any{"total": 10926022, "cost": 26.68},
	}
}

func quotaSaid(status string, primary, secondary any) map[string]any {
	return map[string]any{
		"status": status, "plan_type": "pro", "fetched_at": stopped.Add(-4 * time.Minute),
		"primary_window":   window(primary, 18000, stopped.Add(108*time.Minute)),
		"secondary_window": window(secondary, 604800, time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC)),
	}
}

func window(used any, seconds int, reset time.Time) map[string]any {
	return map[string]any{"used_percent": used, "limit_seconds": seconds, "reset_at": fmt.Sprint(reset.Unix())}
}

// with is t with another block.
func (t told) with(block string, data any) told {
	t[block] = data
	return t
}

// ServeHTTP answers as a gateway does that has the login already; a login that is sent up becomes generation 42.
func (t told) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", stopped.Format(http.TimeFormat))
	data := map[string]any{"credential": map[string]any{"status": "valid", "generation": 41}}
	for name, block := range t {
		data[name] = map[string]any{"etag": name, "data": block}
	}
	if r.URL.Path == api.PathAuth {
		data = map[string]any{"status": "updated", "generation": 42}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"status": "ok", "data": data})
}
