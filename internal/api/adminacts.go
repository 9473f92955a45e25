package api

// What AdminHostChanged says about the calls that only we have.
type (
	// HostStatus is about POST /admin/hosts/{id}/suspend and …/resume.
	HostStatus struct {
		ID     int64  `json:"id"`
		FQDN   string `json:"fqdn"`
		Status string `json:"status"` // active or disabled
	}
	// HostBinding is about POST /admin/hosts/{id}/unbind.
	HostBinding struct {
		ID   int64   `json:"id"`
		FQDN string  `json:"fqdn"`
		IP   *string `json:"ip"` // null: the next address it calls from is its address
	}
	// HostName is about POST /admin/hosts/{id}/rename.
	HostName struct {
		ID            int64    `json:"id"`
		FQDN          string   `json:"fqdn"`
		PreviousFQDNs []string `json:"previous_fqdns"` // at most eight, the last one last
	}
	// HostLabels is about GET and POST /admin/hosts/{id}/labels.
	HostLabels struct {
		ID     int64             `json:"id"`
		Labels map[string]string `json:"labels"`
		Note   string            `json:"note"` // "": none
	}
	// HostKey is what AdminHostRotated says.
	HostKey struct {
		ID            int64   `json:"id"`
		FQDN          string  `json:"fqdn"`
		KeyPrefix     string  `json:"key_prefix"`      // of the key that it has
		NextKeyPrefix *string `json:"next_key_prefix"` // of the one that it gets with its next synchronisation; null: none
		KeyUntil      Time    `json:"key_until"`       // when the key that it has dies at the latest, if it gets another
	}
)

// AdminHostRotated is the data of an answer to POST /admin/hosts/{id}/rotate.
type AdminHostRotated struct {
	Host      HostKey    `json:"host"`
	Installer *Installer `json:"installer"` // null: the host gets the key by itself
}

// AdminBatch is the data of an answer to POST /admin/hosts/batch.
type AdminBatch struct {
	Results []AdminBatchResult `json:"results"` // in the order of the ids
}

// AdminBatchResult is what became of one host.
type AdminBatchResult struct {
	ID   int64   `json:"id"`
	OK   bool    `json:"ok"`
	Code *string `json:"code"` // of the refusal; null: there was none
}
