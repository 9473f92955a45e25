// Package audit keeps the record of who did what. An entry is written in the transaction of the act it records, so
// neither exists without the other.
//
// Entries are links of chains: each holds its number and the hash of the one before. What a chain has come to is signed
// every few seconds, in the database and in a file beside the gateway, so that nobody who can only write to the database
// changes, reorders or removes what was signed without Verify naming it.
package audit

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"github.com/cdxgate/cdxgate/db"
)

// Kinds of actor.
const (
	KindHost      = "host"      // a host, by its API key
	KindAdmin     = "admin"     // an admin, by a certificate, a session or an API token
	KindOperator  = "operator"  // whoever runs cdxgate on the server's console
	KindGateway   = "gateway"   // the gateway by itself, in a job
	KindInstaller = "installer" // a machine that holds an install token
	KindSeed      = "seed"      // a machine that holds a seed token
)

// Kinds are all of them.
var Kinds = []string{KindHost, KindAdmin, KindOperator, KindGateway, KindInstaller, KindSeed}

// Actor is who acts, and from where.
type Actor struct {
	Kind string
	Name string     // FQDN, certificate name, "token NAME", user name; never a secret
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
	ActionAdminCertRevoke  = "admin.cert.revoke"
	ActionAdminCertRenew   = "admin.cert.renew"
	ActionAdminCertTrust   = "admin.cert.trust"
	ActionAdminTokenCreate = "admin.token.create"
	ActionAdminTokenRevoke = "admin.token.revoke"
	ActionAdminLinkCreate  = "admin.link.create"
	ActionAdminLinkUse     = "admin.link.use"
	ActionAdminLinkRevoke  = "admin.link.revoke"
	ActionAdminRefused     = "admin.refused"
	ActionKeyringEstablish = "keyring.establish"
	ActionSigningKey       = "keyring.signing_key"
	ActionRateLimit        = "security.rate_limit"
	ActionRateLimitClear   = "security.rate_limit.clear"
	ActionPolicySet        = "admin.policy"
	ActionHostUpdate       = "admin.host.update"
	ActionInsecureEnable   = "admin.host.insecure_enable"
	ActionInsecureDisable  = "admin.host.insecure_disable"
	ActionHostRestore      = "admin.host.restore"
	ActionHostRename       = "admin.host.rename"
	ActionKeyRotate        = "admin.host.key_rotate" // a next key was made; the host is yet to get it
	ActionKeyHandOver      = "auth.key.hand_over"    // the host was given it
	ActionKeyAdopt         = "auth.key.adopt"        // the host came with it: the old one is dead
	ActionHostPruned       = "host.pruned"
	ActionHostPurged       = "host.purged"
	ActionHostUser         = "host.user"
	ActionRefused          = "auth.refused"
	ActionRunnerBypass     = "auth.runner_ip_bypass"
	ActionTokenUsage       = "token.usage"
	ActionChatGPTUsage     = "chatgpt.usage"
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

	ActionVersionsCheck = "admin.versions.check"
	ActionCodexRelease  = "codex.release" // another Codex is the newest

	ActionAdminSessionRevoke = "admin.session.revoke"
	ActionCredentialRollback = "admin.credential.rollback"
	ActionCredentialAdopt    = "admin.credential.adopt"
	ActionCredentialDiscard  = "admin.credential.discard"
	ActionCredentialReopen   = "admin.credential.reopen"
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

// Record writes the entry with q, which must be the transaction of the act. It is written at the end of that transaction,
// which fails if that does: until then nobody else waits for the chain.
func Record(ctx context.Context, q *db.Queries, e Entry) error {
	l, err := e.link(ctx)
	if err != nil {
		return err
	}
	if !q.BeforeCommit(func(ctx context.Context, q *db.Queries) error { return appendTo(ctx, q, q.Chain(), []*Link{l}) }) {
		return fmt.Errorf("recording %s: not in a transaction", e.Action)
	}
	return nil
}

type requestKey struct{}

// WithRequest has the entries that are recorded below ctx name the call they were made in.
func WithRequest(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestKey{}, id)
}

func requestID(ctx context.Context) string {
	id, _ := ctx.Value(requestKey{}).(string)
	return id
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
