// Package audit keeps the record of who did what. An entry is written in the transaction of the act it records, so
// neither exists without the other.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/cdxgate/cdxgate/db"
)

// Kinds of actor.
const (
	KindHost      = "host"      // a host, by its API key
	KindAdmin     = "admin"     // an admin, by a certificate
	KindOperator  = "operator"  // whoever runs cdxgate on the server's console
	KindGateway   = "gateway"   // the gateway by itself, in a job
	KindInstaller = "installer" // a machine that holds an install token
	KindSeed      = "seed"      // a machine that holds a seed token
)

// Actor is who acts, and from where.
type Actor struct {
	Kind string
	Name string     // FQDN, certificate name, user name; never a secret
	IP   netip.Addr // zero: not over the network
}

// Gateway is the gateway acting by itself.
var Gateway = Actor{Kind: KindGateway, Name: "cdxgate"}

// Actions. Names are those of the reference where it has the act.
const (
	ActionRegister         = "register"
	ActionInstallCreate    = "admin.install_token.create"
	ActionInstallConsume   = "install.token.consume"
	ActionInsecureWindow   = "auth.insecure.initial_window"
	ActionInsecureDenied   = "auth.insecure.denied"
	ActionBindIP           = "auth.bind_ip"
	ActionRoamingIP        = "auth.roaming_ip"
	ActionForceIP          = "auth.force_ip_override"
	ActionRetrieve         = "auth.retrieve"
	ActionStore            = "auth.store"
	ActionStoreQuarantine  = "auth.store.quarantine"
	ActionCredentialShow   = "auth.show"
	ActionHostDelete       = "host.delete"
	ActionAdminHostDelete  = "admin.host.delete"
	ActionAdminCACreate    = "admin.ca.create"
	ActionAdminCertCreate  = "admin.cert.create"
	ActionKeyringEstablish = "keyring.establish"
	ActionSigningKey       = "keyring.signing_key"
	ActionRateLimit        = "security.rate_limit"
	ActionRateLimitClear   = "security.rate_limit.clear"
	ActionPolicySet        = "admin.policy"
	ActionHostUpdate       = "admin.host.update"
	ActionInsecureEnable   = "admin.host.insecure_enable"
	ActionInsecureDisable  = "admin.host.insecure_disable"
	ActionHostRestore      = "admin.host.restore"
	ActionHostPruned       = "host.pruned"
	ActionHostPurged       = "host.purged"
	ActionHostUser         = "host.user"
	ActionRefused          = "auth.refused"
	ActionRunnerBypass     = "auth.runner_ip_bypass"
	ActionTokenUsage       = "token.usage"
	ActionSlashStore       = "slash.store"
	ActionSlashPropose     = "slash.propose"
	ActionSlashDelete      = "slash.delete"
	ActionSlashRestore     = "slash.restore"
	ActionProposalAccept   = "admin.proposal.accept"
	ActionProposalDiscard  = "admin.proposal.discard"
	ActionSeedCreate       = "admin.seed_token.create"
	ActionSeedConsume      = "auth.seed.consume"
	ActionSeedRefuse       = "auth.seed.refuse"
	ActionHostClear        = "admin.host.clear"
	ActionHostRoaming      = "admin.host.roaming"
	ActionHostSecure       = "admin.host.secure"
	ActionHostVIP          = "admin.host.vip"
	ActionHostForceIPv4    = "admin.host.force_ipv4"
	ActionHostModel        = "admin.host.model_overrides"
	ActionHostVersion      = "admin.host.client_version_override"
)

// Details is what an entry says beyond actor and action. Values must be free of secrets.
type Details map[string]any

// Entry is one recorded act.
type Entry struct {
	At      time.Time
	Actor   Actor
	Action  string
	HostID  int64 // the host concerned; 0: none
	Details Details
}

// Record writes the entry with q, which must be the transaction of the act.
func Record(ctx context.Context, q *db.Queries, e Entry) error {
	details := []byte("{}")
	if len(e.Details) > 0 {
		var err error
		if details, err = json.Marshal(e.Details); err != nil {
			return fmt.Errorf("encoding the audit entry %s: %w", e.Action, err)
		}
	}
	params := db.AuditEntryInsertParams{
		At: e.At, ActorKind: e.Actor.Kind, Actor: e.Actor.Name, Action: e.Action, Details: details,
	}
	if e.HostID != 0 {
		params.HostID = &e.HostID
	}
	if e.Actor.IP.IsValid() {
		params.IP = &e.Actor.IP
	}
	if err := q.AuditEntryInsert(ctx, params); err != nil {
		return fmt.Errorf("recording %s: %w", e.Action, err)
	}
	return nil
}
