package testdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// copyFrom gives c the data of another cluster, which has to be stopped.
func (c *cluster) copyFrom(ctx context.Context, other *cluster) error {
	c.programs, c.password = other.programs, other.password
	return filepath.WalkDir(other.data(), func(from string, entry fs.DirEntry, err error) error {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		name, err := filepath.Rel(other.data(), from)
		if err != nil {
			return err
		}
		to := filepath.Join(c.data(), name)
		switch {
		case entry.IsDir():
			err = os.Mkdir(to, 0o700)
		case entry.Type().IsRegular():
			err = copyFile(to, from)
		default:
			err = fmt.Errorf("%s is neither a file nor a folder", from)
		}
		return errors.Join(err, c.account.own(to))
	})
}

func copyFile(to, from string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}

// follow makes c, a copy of the primary, its standby from the next start on.
func (c *cluster) follow() error {
	signal := filepath.Join(c.data(), "standby.signal")
	return errors.Join(os.WriteFile(signal, nil, 0o600), c.account.own(signal))
}

// conninfo is the setting by which a standby finds c. What the environment would
// add is ruled out. The password is hexadecimal digits, so nothing needs quotes.
func (c *cluster) conninfo() string {
	return fmt.Sprintf(
		"primary_conninfo = 'host=127.0.0.1 port=%d user=%s password=%s application_name=%s sslmode=disable gssencmode=disable'",
		c.port, adminUser, c.password, standbyName)
}
