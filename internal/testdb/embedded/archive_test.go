package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// installation is the folders of installed programs, as PostgreSQL's view
// pg_config has them.
type installation struct {
	bin, lib, share string
}

// base is the folder above all three.
func (in installation) base() string {
	base := in.bin
	for !strings.HasPrefix(in.lib, base+"/") || !strings.HasPrefix(in.share, base+"/") {
		base = filepath.Dir(base)
	}
	return base
}

// jar packs the programs as Maven Central has them: a zip file that holds a tar
// file, in the xz format, with the folder bin at its top.
//
// A PostgreSQL that was moved finds its other folders only where they are
// relative to its own as they were when it was built. A distribution may have
// built it for lib/postgresql/15/bin and share/postgresql/15; so these paths
// stay, and bin gets links to the programs, which they resolve themselves.
func (in installation) jar(t *testing.T) []byte {
	t.Helper()
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	p := packer{t: t, archive: archive, base: in.base()}
	for _, name := range []string{"initdb", "pg_ctl", "postgres"} {
		p.program(in.bin, name)
	}
	p.folder(in.lib, func(name string) bool {
		return filepath.Dir(name) == in.lib && filepath.Ext(name) == ".so" && !strings.Contains(name, "llvm")
	})
	p.folder(in.share, func(name string) bool {
		return !strings.Contains(name, "/man/") && !strings.Contains(name, "/extension/") || strings.Contains(name, "/plpgsql")
	})
	closeAll(t, archive)

	var jar bytes.Buffer
	z := zip.NewWriter(&jar)
	w, err := z.CreateHeader(&zip.FileHeader{Name: "postgres.txz", Method: zip.Store})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(stored(content.Bytes())); err != nil {
		t.Fatal(err)
	}
	closeAll(t, z)
	return jar.Bytes()
}

type packer struct {
	t       *testing.T
	archive *tar.Writer
	base    string
}

func (p packer) program(bin, name string) {
	path := filepath.Join(bin, name)
	p.file(path)
	inside := p.inside(path)
	if inside == "bin/"+name {
		return
	}
	p.header(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + name, Linkname: "../" + inside, Mode: 0o777})
}

func (p packer) folder(dir string, wanted func(path string) bool) {
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && wanted(path) {
			p.file(path)
		}
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// file packs what the path leads to: links of the installation stay there. One
// that leads nowhere, or to a folder, is no part of what a server needs.
func (p packer) file(path string) {
	info, err := os.Stat(path)
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	content, err := os.ReadFile(path)
	if err != nil {
		p.t.Fatal(err)
	}
	p.header(&tar.Header{Typeflag: tar.TypeReg, Name: p.inside(path), Size: int64(len(content)), Mode: int64(info.Mode().Perm())})
	if _, err := p.archive.Write(content); err != nil {
		p.t.Fatal(err)
	}
}

func (p packer) header(h *tar.Header) {
	if err := p.archive.WriteHeader(h); err != nil {
		p.t.Fatal(err)
	}
}

func (p packer) inside(path string) string {
	name, err := filepath.Rel(p.base, path)
	if err != nil {
		p.t.Fatal(err)
	}
	return filepath.ToSlash(name)
}

func closeAll(t *testing.T, closers ...interface{ Close() error }) {
	t.Helper()
	for _, c := range closers {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
