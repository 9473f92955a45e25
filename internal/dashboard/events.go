package dashboard

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/audit"
	"github.com/cdxgate/cdxgate/templates"
)

// phrase is an action of the audit trail as a sentence goes on after its actor.
type phrase struct {
	icon, text string
	object     string // the detail that names what it was done to; "": the host
	value      string // the detail that says what that is now; "": none does
}

// phrases are those of the actions that people ask about. Others are shown by their names.
var phrases = map[string]phrase{
	audit.ActionRegister:           {icon: "add", text: "registered"},
	audit.ActionInstallCreate:      {icon: "add", text: "made an install token for"},
	audit.ActionInstallConsume:     {icon: "download", text: "was installed:"},
	audit.ActionInsecureWindow:     {icon: "window", text: "may call until its first window closes:"},
	audit.ActionInsecureDenied:     {icon: "locked", text: "was refused: its window is closed"},
	audit.ActionBindIP:             {icon: "locked", text: "was bound to its first address:"},
	audit.ActionRoamingIP:          {icon: "moved", text: "moved to another address:"},
	audit.ActionForceIP:            {icon: "moved", text: "was let in from another address:"},
	audit.ActionRunnerBypass:       {icon: "moved", text: "was let in from the runner's address:"},
	audit.ActionRetrieve:           {icon: "download", text: "took the login"},
	audit.ActionStore:              {icon: "upload", text: "stored a login"},
	audit.ActionStoreQuarantine:    {icon: "warn", text: "offered a login that waits for an admin"},
	audit.ActionCredentialShow:     {icon: "reveal", text: "looked at the login itself"},
	audit.ActionHostDelete:         {icon: "remove", text: "left the fleet", object: "fqdn"},
	audit.ActionAdminHostDelete:    {icon: "remove", text: "removed", object: "fqdn"},
	audit.ActionAdminCertCreate:    {icon: "shield", text: "made the certificate", object: "name"},
	audit.ActionAdminCertRevoke:    {icon: "bad", text: "revoked the certificate", object: "name"},
	audit.ActionAdminCertRenew:     {icon: "refresh", text: "renewed the certificate", object: "name"},
	audit.ActionAdminCertTrust:     {icon: "shield", text: "trusts the certificate", object: "name"},
	audit.ActionAdminTokenCreate:   {icon: "terminal", text: "made the API token", object: "name"},
	audit.ActionAdminTokenRevoke:   {icon: "bad", text: "revoked the API token", object: "name"},
	audit.ActionAdminLinkCreate:    {icon: "key", text: "made a login link for the role", object: "role"},
	audit.ActionAdminLinkUse:       {icon: "user", text: "logged in as", object: "role"},
	audit.ActionAdminLinkRevoke:    {icon: "bad", text: "revoked a login link for the role", object: "role"},
	audit.ActionAdminSessionRevoke: {icon: "logout", text: "ended a session"},
	audit.ActionAdminRefused:       {icon: "bad", text: "was refused", object: "capability"},
	audit.ActionRateLimit:          {icon: "bad", text: "was blocked after too many failures"},
	audit.ActionRefused:            {icon: "bad", text: "was refused"},
	audit.ActionPolicySet:          {icon: "settings", text: "decided", object: "name", value: "value"},
	audit.ActionHostUpdate:         {icon: "edit", text: "changed"},
	audit.ActionInsecureEnable:     {icon: "window", text: "opened a window on"},
	audit.ActionInsecureDisable:    {icon: "locked", text: "closed the window on"},
	audit.ActionHostRestore:        {icon: "undo", text: "brought back"},
	audit.ActionHostRename:         {icon: "edit", text: "renamed a host to"},
	audit.ActionKeyRotate:          {icon: "refresh", text: "made a new key for"},
	audit.ActionKeyHandOver:        {icon: "key", text: "was given its new key"},
	audit.ActionKeyAdopt:           {icon: "key", text: "uses its new key"},
	audit.ActionHostPruned:         {icon: "expires", text: "pruned", object: "fqdn"},
	audit.ActionHostPurged:         {icon: "remove", text: "forgot", object: "fqdn"},
	audit.ActionHostUser:           {icon: "user", text: "has a new user", object: "username"},
	audit.ActionTokenUsage:         {icon: "usage", text: "reported usage"},
	audit.ActionSlashStore:         {icon: "command", text: "stored the slash command", object: "filename"},
	audit.ActionSlashPropose:       {icon: "command", text: "proposed the slash command", object: "filename"},
	audit.ActionSlashDelete:        {icon: "command", text: "retired the slash command", object: "filename"},
	audit.ActionSlashRestore:       {icon: "command", text: "restored the slash command", object: "filename"},
	audit.ActionProposalAccept:     {icon: "check", text: "accepted the proposal of", object: "filename"},
	audit.ActionProposalDiscard:    {icon: "close", text: "discarded the proposal of", object: "filename"},
	audit.ActionCredentialAdopt:    {icon: "check", text: "made the fleet's login what was proposed by", object: "fqdn"},
	audit.ActionCredentialDiscard:  {icon: "close", text: "discarded the login proposed by", object: "fqdn"},
	audit.ActionCredentialReopen:   {icon: "undo", text: "took up again the login proposed by", object: "fqdn"},
	audit.ActionCredentialRollback: {icon: "undo", text: "went back to generation", object: "to"},
	audit.ActionAdminCACreate:      {icon: "shield", text: "made the authority for admins' certificates"},
	audit.ActionRateLimitClear:     {icon: "undo", text: "forgot the failures of", object: "address"},
	audit.ActionSeedCreate:         {icon: "terminal", text: "made a command that uploads a login"},
	audit.ActionSeedConsume:        {icon: "upload", text: "uploaded a login by a seed command"},
	audit.ActionSeedRefuse:         {icon: "bad", text: "was refused a seed command"},
	audit.ActionVersionsCheck:      {icon: "refresh", text: "looked for a newer Codex"},
	audit.ActionCodexRelease:       {icon: "download", text: "found a newer Codex:", object: "version"},
	audit.ActionHostClear:          {icon: "undo", text: "forgot which login it has:"},
	audit.ActionHostRoaming:        {icon: "roaming", text: "decided whether it may move:"},
	audit.ActionHostSecure:         {icon: "shield", text: "decided whether it keeps a login:"},
	audit.ActionHostVIP:            {icon: "vip", text: "decided whether it is a VIP:"},
	audit.ActionHostForceIPv4:      {icon: "settings", text: "decided whether it uses IPv4 only:"},
	audit.ActionHostModel:          {icon: "settings", text: "chose the model of"},
	audit.ActionHostVersion:        {icon: "pin", text: "chose the Codex version of"},
	audit.ActionChatGPTUsage:       {icon: "quota", text: "asked ChatGPT what is left of the quota"},
	audit.ActionSigningKey:         {icon: "key", text: "made the key that signs for cdx"},
	audit.ActionKeyringEstablish:   {icon: "key", text: "made the keyring"},
}

// hostsOf are the ids of the hosts that entries are about.
func hostsOf(rows []db.AuditPageRow) []int64 {
	ids := []int64{}
	for i := range rows {
		if rows[i].HostID != nil {
			ids = append(ids, *rows[i].HostID)
		}
	}
	return ids
}

// event is an entry of the trail in a line. names are those of hosts, by id: an entry has the id only.
func event(row *db.AuditPageRow, names map[int64]string, now time.Time) templates.Event {
	known, found := phrases[row.Action]
	if !found {
		known = phrase{icon: "audit", text: row.Action}
	}
	e := templates.Event{Icon: known.icon, Actor: row.Actor, Text: known.text, When: templates.Moment{At: row.At, Now: now}}
	if known.object != "" {
		e.Object = detail(row.Details, known.object)
		if value := detail(row.Details, known.value); value != "" && e.Object != "" {
			e.Object += ": " + value
		}
		return e
	}
	if row.HostID != nil && row.ActorKind != audit.KindHost {
		if e.Object = names[*row.HostID]; e.Object == "" { // it is gone for good
			e.Object = "host " + strconv.FormatInt(*row.HostID, 10)
		}
	}
	if e.Object == "" || e.Object == e.Actor {
		e.Text, e.Object = strings.TrimSuffix(e.Text, ":"), ""
	}
	return e
}

// detail is one of an entry's details, a text, a number or a decision; "": it has none of that name.
func detail(details, name string) string {
	var all map[string]any
	if json.Unmarshal([]byte(details), &all) != nil {
		return ""
	}
	switch value := all[name].(type) {
	case string:
		return value
	case float64:
		return templates.Grouped(int64(value))
	case bool:
		return strconv.FormatBool(value)
	}
	return ""
}
