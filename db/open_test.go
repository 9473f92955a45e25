package db_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cdxgate/cdxgate/db"
	"github.com/cdxgate/cdxgate/internal/dbtest"
)

// refusedAddress is a TCP address on which nobody listens any more.
func refusedAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return listener.Addr().String()
}

// Passwords are typed by people: not escaped, half quoted. Whatever comes of it, no part of one is printed.
func TestOpenNeverShowsThePassword(t *testing.T) {
	t.Parallel()
	address := refusedAddress(t)
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	good, err := url.Parse(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	noDatabase := *good
	noDatabase.Path = "/no_such_database"
	noUser := *good
	noUser.User = url.UserPassword("nobody_of_this_name", "plantedA")

	for name, text := range map[string]string{
		"nobody listens":             "postgres://u:plantedA@" + address + "/d",
		"two hosts, nobody listens":  "postgres://u:plantedA@" + address + "," + address + "/d",
		"keyword form":               "host=" + host + " port=" + port + " user=u password=plantedA",
		"# in the password":          "postgres://u:plantedA#plantedB@" + address + "/d",
		"/ in the password":          "postgres://u:plantedA/plantedB@" + address + "/d",
		"? in the password":          "postgres://u:plantedA?plantedB@" + address + "/d",
		"@ in the password":          "postgres://u:plantedA@plantedB@" + address + "/d",
		"% in the password":          "postgres://u:plantedA%plantedB@" + address + "/d",
		"blank in the password":      "postgres://u:plantedA plantedB@" + address + "/d",
		"control in the password":    "postgres://u:plantedA\x01plantedB@" + address + "/d",
		"[ in the password":          "postgres://u:[plantedA]plantedB@" + address + "/d",
		"a wrong port":               "postgres://u:plantedA@" + host + ":plantedB/d",
		"unquoted blank, keyword":    "host=" + host + " port=" + port + " password=plantedA plantedB",
		"unquoted quote, keyword":    "host=" + host + " port=" + port + " password='plantedA plantedB",
		"a wrong sslmode":            "postgres://u:plantedA@" + address + "/d?sslmode=plantedB",
		"a wrong pool option":        "postgres://u:plantedA@" + address + "/d?pool_max_conns=many",
		"a wrong scheme":             "mysql://u:plantedA@" + address + "/d",
		"only a password":            "plantedA",
		"a database that is missing": noDatabase.String(),
		"a user that is missing":     noUser.String(),
	} {
		store, err := db.Open(t.Context(), text, db.Options{MaxConns: 1})
		if err == nil {
			store.Close()
			if name != "a user that is missing" { // a server that trusts whoever comes
				t.Errorf("%s: got no error", name)
			}
			continue
		}
		password, _ := good.User.Password()
		for _, secret := range []string{"plantedA", "plantedB", password} {
			if secret != "" && strings.Contains(err.Error(), secret) {
				t.Errorf("%s: got %q, which shows a part of the password", name, err)
			}
		}
		if strings.ContainsAny(err.Error(), "\r\n\t") {
			t.Errorf("%s: got %q, want one line", name, err)
		}
	}
}

func TestIsUnavailable(t *testing.T) {
	t.Parallel()
	store := dbtest.New(t)
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"no error":                {nil, false},
		"somebody else's":         {errOurs, false},
		"no row":                  {query(t, store, "SELECT 1 WHERE false"), false},
		"a syntax error":          {query(t, store, "SELEC 1"), false},
		"a missing table":         {query(t, store, "SELECT 1 FROM nothing"), false},
		"a unique violation":      {query(t, store, "INSERT INTO account (name) VALUES ('default') RETURNING 1"), false},
		"a check violation":       {query(t, store, "INSERT INTO account (name) VALUES ('Not A Name') RETURNING 1"), false},
		"a division by zero":      {query(t, store, "SELECT 1/0"), false},
		"a database that is gone": {missingDatabase(t), false},
		"a refused connection":    {refused(t), true},
		"no route to the host":    {opening(t, "postgres://u@no-such-host.invalid/d"), true},
		"no socket":               {opening(t, "host="+t.TempDir()+" user=u"), true},
		"a closed pool":           {closedPool(t), true},
		"a terminated backend":    {terminated(t), true},
		"a statement timeout":     {timedOut(t, store), true},
		"our deadline":            {pastDeadline(t, store), true},
		"a read-only standby":     {readOnly(t, store), true},
		"an idle transaction":     {idledOut(t, store), true},
	} {
		if c.want && c.err == nil {
			t.Errorf("%s: got no error to judge", name)
		}
		if got := db.IsUnavailable(c.err); got != c.want {
			t.Errorf("%s: got %t for %v (%T), want %t", name, got, c.err, c.err, c.want)
		}
	}
}

func query(t *testing.T, store *db.Store, text string) error {
	t.Helper()
	var n int
	return store.Pool().QueryRow(t.Context(), text).Scan(&n)
}

func opening(t *testing.T, url string) error {
	t.Helper()
	store, err := db.Open(t.Context(), url, db.Options{MaxConns: 1})
	if err == nil {
		store.Close()
	}
	return err
}

func refused(t *testing.T) error {
	t.Helper()
	return opening(t, "postgres://u@"+refusedAddress(t)+"/d")
}

func missingDatabase(t *testing.T) error {
	t.Helper()
	u, err := url.Parse(dbtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/no_such_database"
	return opening(t, u.String())
}

func closedPool(t *testing.T) error {
	t.Helper()
	store := dbtest.New(t)
	store.Close()
	return store.WithTx(t.Context(), func(*db.Queries) error { return nil })
}

// terminated is what a query says whose server process an administrator has ended.
func terminated(t *testing.T) error {
	t.Helper()
	store := dbtest.New(t)
	return store.WithTx(t.Context(), func(q *db.Queries) error {
		others := open(t, store.Pool().Config().ConnString(), db.Options{MaxConns: 1})
		exec(t, others, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		_, err := q.AccountByName(t.Context(), "default")
		return err
	})
}

// onConn runs statements on one connection, which is thrown away, and returns the first error.
func onConn(t *testing.T, store *db.Store, statements ...string) error {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), store.Pool().Config().ConnConfig.Copy())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, statement := range statements {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			return err
		}
	}
	return nil
}

func timedOut(t *testing.T, store *db.Store) error {
	t.Helper()
	return onConn(t, store, "SET statement_timeout = 20", "SELECT pg_sleep(60)")
}

func readOnly(t *testing.T, store *db.Store) error {
	t.Helper()
	return onConn(t, store, "SET default_transaction_read_only = on", "UPDATE account SET generation = 1")
}

func pastDeadline(t *testing.T, store *db.Store) error {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	expired, stop := context.WithTimeout(ctx, 0)
	defer stop()
	_, err := store.AccountByName(expired, "default")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	return err
}

// idledOut is what a transaction says that the server gave up because nothing came.
func idledOut(t *testing.T, store *db.Store) error {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), store.Pool().Config().ConnConfig.Copy())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }()
	for _, statement := range []string{"SET idle_in_transaction_session_timeout = 1", "BEGIN"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			return err
		}
	}
	// The server's farewell is what makes the connection readable.
	if _, err := conn.WaitForNotification(t.Context()); err != nil {
		return err
	}
	return errors.New("got a notification")
}
