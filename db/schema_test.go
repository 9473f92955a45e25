package db_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cdxgate/cdxgate/internal/dbtest"
)

func TestEveryTableIsExplained(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	rows, err := store.Pool().Query(t.Context(), `
		SELECT c.relname, coalesce(d.description, '') FROM pg_class c
		LEFT JOIN pg_description d ON d.objoid = c.oid AND d.objsubid = 0 AND d.classoid = 'pg_class'::regclass
		WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND c.relname <> 'schema_version'`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tables := 0
	for rows.Next() {
		var name, comment string
		if err := rows.Scan(&name, &comment); err != nil {
			t.Fatal(err)
		}
		tables++
		if !strings.HasSuffix(comment, ".") {
			t.Errorf("table %s: got comment %q, want a sentence", name, comment)
		}
	}
	if err := rows.Err(); err != nil || tables < 10 {
		t.Errorf("got %d tables, %v; want the whole schema", tables, err)
	}
}

// What a program forgets to bound the database refuses: each statement is good but for one value.
func TestChecksHoldForHostileSizes(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	exec(t, store, `INSERT INTO host (account_id, fqdn, key_sha256, key_prefix, created_at, updated_at)
		VALUES (1, 'good.example', decode(repeat('ab', 32), 'hex'), 'abababab', now(), now())`)

	host := func(column, value string) string {
		return "UPDATE host SET " + column + " = " + value
	}
	token := func(column, value string) string {
		values := map[string]string{
			"token_sha256": "decode(repeat('cd', 32), 'hex')", "token_prefix": "'abcdefgh'", "key_sealed": "'sealed'", "used_at": "NULL", "replaced_at": "NULL",
		}
		values[column] = value
		return "INSERT INTO install_token (id, host_id, token_sha256, token_prefix, key_sealed, expires_at, used_at, replaced_at) SELECT gen_random_uuid(), id, " +
			values["token_sha256"] + ", " + values["token_prefix"] + ", " + values["key_sealed"] + ", now(), " + values["used_at"] + ", " + values["replaced_at"] + " FROM host"
	}
	generation := func(column, value string) string {
		values := map[string]string{
			"number": "1", "digest": "decode(repeat('cd', 32), 'hex')", "body_sealed": "'sealed'", "chatgpt_account": "NULL",
			"access_sha256": "NULL", "refresh_sha256": "NULL", "last_refresh": "'2026-01-01T00:00:00Z'", "source": "'host'",
		}
		values[column] = value
		return "INSERT INTO generation (id, account_id, number, lineage, digest, body_sealed, chatgpt_account, access_sha256, refresh_sha256, last_refresh, last_refresh_at, source, created_at) VALUES (gen_random_uuid(), 1, " +
			values["number"] + ", gen_random_uuid(), " + values["digest"] + ", " + values["body_sealed"] + ", " + values["chatgpt_account"] + ", " +
			values["access_sha256"] + ", " + values["refresh_sha256"] + ", " + values["last_refresh"] + ", now(), " + values["source"] + ", now())"
	}
	entry := func(column, value string) string {
		const hash = "decode(repeat('ab', 32), 'hex')"
		values := map[string]string{"actor_kind": "'host'", "actor": "'somebody'", "action": "'act'", "details": "'{}'", "seq": "1", "prev": hash, "hash": hash}
		values[column] = value
		return "INSERT INTO audit_entry (at, actor_kind, actor, action, details, chain, seq, prev, hash) VALUES (now(), " +
			values["actor_kind"] + ", " + values["actor"] + ", " + values["action"] + ", " + values["details"] + ", 'console', " + values["seq"] + ", " +
			values["prev"] + ", " + values["hash"] + ")"
	}
	adminToken := func(column, value string) string {
		values := map[string]string{"name": "'ci'", "token_sha256": "decode(repeat('cd', 32), 'hex')", "token_prefix": "repeat('a', 13)", "role": "'owner'", "scopes": "NULL"}
		values[column] = value
		return "INSERT INTO admin_token (name, token_sha256, token_prefix, role, scopes, created_by, expires_at) VALUES (" +
			values["name"] + ", " + values["token_sha256"] + ", " + values["token_prefix"] + ", " + values["role"] + ", " + values["scopes"] + ", 'ops', now())"
	}
	adminCert := func(column, value string) string {
		values := map[string]string{"issuer_spki_sha256": "decode(repeat('cd', 32), 'hex')", "serial": "'1'", "role": "'owner'"}
		values[column] = value
		return "INSERT INTO admin_cert (issuer_spki_sha256, name, role, serial, spki_sha256, not_after, created_at) VALUES (" +
			values["issuer_spki_sha256"] + ", 'alice', " + values["role"] + ", " + values["serial"] + ", decode(repeat('ef', 32), 'hex'), now(), now())"
	}
	// Random, because the check of the size is of what is stored, and that is compressed.
	const noise = "(SELECT jsonb_object_agg(n, md5(random()::text)) FROM generate_series(1, 2000) AS n)"

	for name, statement := range map[string]string{
		"an account's name":            "INSERT INTO account (name) VALUES (repeat('a', 64))",
		"a negative generation":        "UPDATE account SET generation = -1",
		"an empty host name":           host("fqdn", "''"),
		"a long host name":             host("fqdn", "repeat('a', 254)"),
		"a host name in capitals":      host("fqdn", "'Good.example'"),
		"an unknown status":            host("status", "'sleepy'"),
		"a short key hash":             host("key_sha256", "'\\xab'"),
		"a long key hash":              host("key_sha256", "decode(repeat('ab', 33), 'hex')"),
		"a whole key as its prefix":    host("key_prefix", "repeat('a', 64)"),
		"a prefix that is not hex":     host("key_prefix", "'ghijklmn'"),
		"a long client version":        host("client_version", "repeat('9', 65)"),
		"a long wrapper version":       host("wrapper_version", "repeat('ä', 33)"),
		"a long last_refresh":          host("last_refresh", "repeat('9', 65)"),
		"an empty model":               host("model_override", "''"),
		"a long model":                 host("model_override", "repeat('a', 129)"),
		"an empty effort":              host("reasoning_effort_override", "''"),
		"a long effort":                host("reasoning_effort_override", "repeat('ä', 17)"),
		"labels that are no object":    host("labels", "'[]'"),
		"a label that is no text":      host("labels", `'{"a": 1}'`),
		"a label within another":       host("labels", `'{"a": {"b": "c"}}'`),
		"seventeen labels":             host("labels", "(SELECT jsonb_object_agg('k' || n, 'v') FROM generate_series(1, 17) AS n)"),
		"a huge label":                 host("labels", "jsonb_build_object('k', repeat('v', 4096))"),
		"a long note":                  host("note", "repeat('ä', 513)"),
		"nine former names":            host("previous_fqdns", "array_fill('a'::text, '{9}')"),
		"half of a next key":           host("key_until", "now()"),
		"a sealed key of no next one":  host("next_key_sealed", "'sealed'"),
		"a next key that it has":       host("next_key_prefix", "'cdcdcdcd', key_until = now(), next_key_sha256 = key_sha256"),
		"a next key's short hash":      host("next_key_prefix", "'cdcdcdcd', key_until = now(), next_key_sha256 = '\\xab'"),
		"a whole next key":             host("next_key_prefix", "repeat('a', 64), key_until = now(), next_key_sha256 = sha256('x')"),
		"a next key's long seal":       host("next_key_sealed", "repeat('a', 513), next_key_prefix = 'cdcdcdcd', key_until = now(), next_key_sha256 = sha256('x')"),
		"a short digest":               host("auth_digest", "'\\xab'"),
		"a token's short hash":         token("token_sha256", "'\\xab'"),
		"a token's long prefix":        token("token_prefix", "'abcdefghi'"),
		"a long sealed key":            token("key_sealed", "repeat('a', 513)"),
		"a sealed key of a used token": token("used_at", "now()"),
		"one of a replaced token":      token("replaced_at", "now()"),
		"generation 0":                 generation("number", "0"),
		"a generation's short digest":  generation("digest", "'\\xab'"),
		"a huge body":                  generation("body_sealed", "repeat('a', 1048577)"),
		"a long account id":            generation("chatgpt_account", "repeat('a', 257)"),
		"a short access hash":          generation("access_sha256", "'\\xab'"),
		"a short refresh hash":         generation("refresh_sha256", "'\\xab'"),
		"a generation's last_refresh":  generation("last_refresh", "repeat('9', 65)"),
		"an unknown source":            generation("source", "'stranger'"),
		"an unknown kind of actor":     entry("actor_kind", "'stranger'"),
		"a long actor":                 entry("actor", "repeat('a', 257)"),
		"a long action":                entry("action", "repeat('a', 65)"),
		"huge details":                 entry("details", noise),
		"an entry of no chain":         entry("seq", "NULL"),
		"entry 0":                      entry("seq", "0"),
		"a short hash":                 entry("hash", "'\\xab'"),
		"a short hash of before":       entry("prev", "'\\xab'"),
		"a chain in capitals":          "INSERT INTO audit_chain (name) VALUES ('Console')",
		"a certificate of nobody":      adminCert("issuer_spki_sha256", "NULL"),
		"an issuer's short hash":       adminCert("issuer_spki_sha256", "'\\xab'"),
		"a long serial":                adminCert("serial", "repeat('a', 65)"),
		"an unknown role":              adminCert("role", "'god'"),
		"a long check value":           "INSERT INTO seal_key (id, check_sealed) VALUES ('abababab', repeat('a', 257))",
		"a key id in capitals":         "INSERT INTO seal_key (id, check_sealed) VALUES ('ABABABAB', 'a')",
		"signing key 0":                "INSERT INTO signing_key (position, key_id) VALUES (0, 'abababab')",
		"a signing key in capitals":    "INSERT INTO signing_key (position, key_id) VALUES (1, 'ABABABAB')",
		"a long statement":             "INSERT INTO signing_key (position, key_id, statement) VALUES (1, 'abababab', repeat('a', 1025))",
		"an API token's short hash":    adminToken("token_sha256", "'\\xab'"),
		"a whole API token":            adminToken("token_prefix", "repeat('a', 48)"),
		"an API token's unknown role":  adminToken("role", "'root'"),
		"an API token without a name":  adminToken("name", "''"),
		"a scope of nothing":           adminToken("scopes", "'{}'"),
		"a long scope":                 adminToken("scopes", "ARRAY[repeat('a', 2049)]"),
		"a link's short hash":          "INSERT INTO admin_link (token_sha256, role, created_by, expires_at) VALUES ('\\xab', 'owner', 'a', now())",
		"a link's unknown role":        "INSERT INTO admin_link (token_sha256, role, created_by, expires_at) VALUES (decode(repeat('cd', 32), 'hex'), 'root', 'a', now())",
		"a link's long author":         "INSERT INTO admin_link (token_sha256, role, created_by, expires_at) VALUES (decode(repeat('cd', 32), 'hex'), 'owner', repeat('a', 129), now())",
		"a session's unknown role":     "WITH l AS (INSERT INTO admin_link (token_sha256, role, created_by, expires_at) VALUES (decode(repeat('cd', 32), 'hex'), 'owner', 'a', now()) RETURNING id) INSERT INTO admin_session (link_id, token_sha256, role, expires_at) SELECT id, decode(repeat('cd', 32), 'hex'), 'root', now() FROM l",
		"a second installation":        "INSERT INTO installation (single) VALUES (false)",
	} {
		_, err := store.Pool().Exec(t.Context(), statement)
		if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "23514" {
			t.Errorf("%s: got %v, want a check violation", name, err)
		}
	}
	for name, statement := range map[string]string{
		"host":        host("client_version", "repeat('9', 64)"),
		"labels":      host("labels", "(SELECT jsonb_object_agg('k' || n, 'v') FROM generate_series(1, 16) AS n)"),
		"next key":    host("next_key_prefix", "'cdcdcdcd', next_key_sealed = 'sealed', key_until = now(), next_key_sha256 = sha256('x')"),
		"no next key": host("next_key_prefix", "NULL, next_key_sealed = NULL, key_until = NULL, next_key_sha256 = NULL"),
		"token":       token("", ""), "generation": generation("", ""), "entry": entry("", ""), "API token": adminToken("", ""),
	} {
		if _, err := store.Pool().Exec(t.Context(), statement); err != nil {
			t.Errorf("%s: got %v for a good row", name, err)
		}
	}
	// Unique, which is what makes “pending” mean one.
	_, err := store.Pool().Exec(t.Context(), token("token_sha256", "decode(repeat('ce', 32), 'hex')"))
	if refused, ok := errors.AsType[*pgconn.PgError](err); !ok || refused.Code != "23505" || refused.ConstraintName != "install_token_pending" {
		t.Errorf("got %v for a second pending token of a host, want a violation of install_token_pending", err)
	}
}
