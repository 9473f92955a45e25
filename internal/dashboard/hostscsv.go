package dashboard

import (
	"encoding/csv"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/fleet"
)

// hostsHeader are the columns of the file, whatever the page shows.
var hostsHeader = []string{
	"id", "fqdn", "status", "secure", "roaming", "vip", "force_ipv4", "ip", "allow_from", "last_seen_at", "created_at", "expires_at",
	"client_version", "client_version_pin", "wrapper_version", "api_calls", "generation", "behind", "last_refresh",
	"insecure_until", "grace_until", "users", "labels", "note",
}

// exportHosts writes the hosts that the page's address lists, all of them, as CSV. However many there are, it holds a part of
// the list at a time. What goes wrong after the first part ends the connection, so that half a file is not taken for a whole.
func (s *Surface) exportHosts(w http.ResponseWriter, v *visit) error {
	view, err := parseHostsView(v.URL.Query())
	if err != nil {
		return err
	}
	decided, err := s.cfg.Policy.Load(v.Context())
	if err != nil {
		return err
	}
	query := view.query
	query.Cursor, query.Limit = "", fleet.MaxPage
	query.Versions = fleet.Versions{Codex: decided.ClientVersion, Cdx: s.cfg.Version}
	part, beside, err := s.hostsPart(v, query)
	if err != nil {
		return err
	}
	attach(w, kindCSV, "hosts-"+v.now.Format("20060102")+".csv")
	file := csv.NewWriter(w)
	_ = file.Write(hostsHeader) // what cannot be written is noticed by Flush
	for writeHosts(file, part.Hosts, beside) && part.Next != "" {
		query.Cursor = part.Next
		if part, beside, err = s.hostsPart(v, query); err != nil {
			s.breakOff(v, "hosts", err)
		}
	}
	return nil
}

// writeHosts writes a part of the list, and reports whether the browser is there yet.
func writeHosts(file *csv.Writer, hosts []db.Host, beside map[int64]*db.HostBesideRow) bool {
	for i := range hosts {
		_ = file.Write(hostRecord(&hosts[i], beside[hosts[i].ID]))
	}
	file.Flush()
	return file.Error() == nil
}

func (s *Surface) hostsPart(v *visit, query fleet.Query) (*fleet.Page, map[int64]*db.HostBesideRow, error) {
	part, err := s.cfg.Fleet.List(v.Context(), query)
	if err != nil {
		return nil, nil, err
	}
	beside, err := s.cfg.Fleet.Beside(v.Context(), part.Hosts)
	return part, beside, err
}

// hostRecord is a host's line. beside may be nil: the host went meanwhile.
func hostRecord(h *db.Host, beside *db.HostBesideRow) []string {
	if beside == nil {
		beside = &db.HostBesideRow{}
	}
	address, generation := "", ""
	if h.BoundIP != nil {
		address = h.BoundIP.String()
	}
	if beside.Held > 0 {
		generation = strconv.FormatInt(beside.Held, 10)
	}
	networks := make([]string, 0, len(h.AllowFrom))
	for _, network := range h.AllowFrom {
		networks = append(networks, network.String())
	}
	labels := fleet.Labels(h)
	pairs := make([]string, 0, len(labels))
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		pairs = append(pairs, key+"="+labels[key])
	}
	record := []string{
		strconv.FormatInt(h.ID, 10), h.FQDN, h.Status, flagWord(h.Secure), flagWord(h.Roaming), flagWord(h.VIP), flagWord(h.ForceIPv4), address,
		strings.Join(networks, " "), wireMoment(h.LastSeenAt), wireMoment(&h.CreatedAt), wireMoment(h.ExpiresAt),
		textOr(h.ClientVersion), textOr(h.ClientVersionPin), textOr(h.WrapperVersion), strconv.FormatInt(h.APICalls, 10), generation,
		flagWord(isBehind(h, beside)), textOr(h.LastRefresh), wireMoment(h.InsecureUntil), wireMoment(h.GraceUntil),
		fmt.Sprint(beside.Users), strings.Join(pairs, "; "), h.Note,
	}
	for i := range record {
		record[i] = harmless(record[i])
	}
	return record
}

func flagWord(flag bool) string { return map[bool]string{true: "yes", false: "no"}[flag] }
