package pgembed

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// create makes the cluster and its password aside and moves them into place, the password first: a cluster without its
// password is never seen, and whatever a crash leaves behind is debris that the next start removes.
func (s *Server) create(ctx context.Context) error {
	defer s.progress("creating the database cluster (PostgreSQL " + fmt.Sprint(s.binaries.major) + ")")()
	aside, err := os.MkdirTemp(s.dir.pg, debrisPattern)
	if err != nil {
		return fmt.Errorf("creating the database cluster: %w", err)
	}
	defer s.dir.removeDebris()
	if s.account.switches {
		if err := os.Lchown(aside, s.account.uid, s.account.gid); err != nil {
			return fmt.Errorf("creating the database cluster: %w", err)
		}
	}
	s.password = newPassword()
	passwordFile, data := filepath.Join(aside, "pw"), filepath.Join(aside, "data")
	if err := s.writePassword(passwordFile); err != nil {
		return err
	}
	// Collation by bytes is the same on every system and in every version, so indexes survive upgrades of libc.
	if _, err := s.runTool(ctx, "", s.binaries.initdb(), "-D", data, "--no-sync", "--username="+superuserName,
		"--encoding=UTF8", "--locale=C", "--lc-ctype="+characterType,
		"--auth=scram-sha-256", "--pwfile="+passwordFile, "--data-checksums"); err != nil {
		return fmt.Errorf("creating the database cluster: %w", err)
	}
	if !s.cfg.NoSync {
		if _, err := s.runTool(ctx, "", s.binaries.initdb(), "-D", data, "--sync-only"); err != nil {
			return fmt.Errorf("writing the database cluster to disk: %w", err)
		}
	}
	if err := s.moveIntoPlace(passwordFile, data); err != nil {
		return fmt.Errorf("moving the database cluster into place: %w", err)
	}
	return nil
}

func (s *Server) moveIntoPlace(passwordFile, data string) error {
	if err := os.Remove(s.dir.data()); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty directory at most
		return err
	}
	if err := os.Rename(passwordFile, s.dir.passwordFile()); err != nil {
		return err
	}
	if err := os.Rename(data, s.dir.data()); err != nil {
		return err
	}
	return syncDir(s.dir.pg)
}

// newPassword returns 32 random bytes in hex, so it needs no quoting anywhere.
func newPassword() string {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails; it ends the program instead
	return hex.EncodeToString(secret[:])
}

var passwordPattern = regexp.MustCompile(`^[0-9a-f]{64}$`)

// readPassword returns the cluster's password, or fs.ErrNotExist when it is lost.
func (l layout) readPassword() (string, error) {
	text, err := os.ReadFile(l.passwordFile())
	if err != nil {
		return "", fmt.Errorf("reading the database password: %w", err)
	}
	password := strings.TrimSpace(string(text))
	if !passwordPattern.MatchString(password) {
		return "", fmt.Errorf("reading the database password: %s holds none: %w", l.passwordFile(), fs.ErrNotExist)
	}
	return password, nil
}

// loadPassword reads the password, or sets a new one when it is lost, as after a restore of the cluster alone.
func (s *Server) loadPassword(ctx context.Context) error {
	password, err := s.dir.readPassword()
	if !errors.Is(err, fs.ErrNotExist) {
		s.password = password
		return err
	}
	defer s.progress("setting a new database password, because the old one is lost")()
	s.password = newPassword()
	// A single-user PostgreSQL asks nobody for a password. It takes a statement per line, and says "ERROR" instead of failing.
	args := append([]string{"--single"}, s.arguments()...)
	out, err := s.runTool(ctx, "ALTER ROLE "+superuserName+" PASSWORD '"+s.password+"'\n", s.binaries.postgres(), append(args, "postgres")...)
	if err == nil && strings.Contains(out, "ERROR:") {
		err = errors.New("PostgreSQL refused it")
	}
	if err != nil {
		return fmt.Errorf("setting a new database password: %w", err)
	}
	// provision gives it to the gateway's role. Only now may the file appear: it promises that the password works.
	aside := filepath.Join(s.dir.pg, strings.Replace(debrisPattern, "*", "pw", 1))
	if err := s.writePassword(aside); err != nil {
		return err
	}
	if err := errors.Join(os.Rename(aside, s.dir.passwordFile()), syncDir(s.dir.pg)); err != nil {
		return fmt.Errorf("keeping the database password: %w", err)
	}
	return nil
}

// writePassword makes a file that only the account (and root) can read, and that is on the disk when it returns.
func (s *Server) writePassword(path string) (err error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("keeping the database password: %w", err)
	}
	_, err = file.WriteString(s.password + "\n")
	if err == nil && s.account.switches {
		err = file.Chown(s.account.uid, s.account.gid)
	}
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("keeping the database password: %w", err)
	}
	return nil
}

// syncDir makes renames in a directory survive a power failure.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// provision makes the gateway's role and database in a running server, as far as they are missing.
func (s *Server) provision(ctx context.Context) (err error) {
	conn, err := pgconn.Connect(ctx, s.connString(superuserName, "postgres"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	// CREATEDB lets the role restore a backup beside the present database. Setting the password each time repairs it
	// after it was lost; it is hex, so it needs no quoting, and PostgreSQL logs no statement.
	verb := "CREATE"
	if there, err := exists(ctx, conn, "SELECT FROM pg_roles WHERE rolname = $1", roleName); err != nil {
		return err
	} else if there {
		verb = "ALTER"
	}
	if err := conn.Exec(ctx, verb+" ROLE "+roleName+" LOGIN CREATEDB PASSWORD '"+s.password+"'").Close(); err != nil {
		return err
	}
	if there, err := exists(ctx, conn, "SELECT FROM pg_database WHERE datname = $1", databaseName); there || err != nil {
		return err
	}
	return conn.Exec(ctx, "CREATE DATABASE "+databaseName+" OWNER "+roleName).Close()
}

// exists reports whether a query with one parameter returns a row.
func exists(ctx context.Context, conn *pgconn.PgConn, query, parameter string) (bool, error) {
	result := conn.ExecParams(ctx, query, [][]byte{[]byte(parameter)}, nil, nil, nil).Read()
	return len(result.Rows) > 0, result.Err
}
