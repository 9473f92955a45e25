package codexinstall

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"slices"
)

// members says under which names a released archive may hold what, :: name in the archive → name in the copy's directory.
// The archive for Windows has the helpers of its sandbox beside Codex.
func members(goos, target string) map[string]string {
	if goos != "windows" {
		return map[string]string{"codex": "codex", "codex-" + target: "codex"}
	}
	return map[string]string{
		"codex.exe": "codex.exe", "codex-" + target + ".exe": "codex.exe",
		"codex-command-runner.exe": "codex-command-runner.exe", "codex-windows-sandbox-setup.exe": "codex-windows-sandbox-setup.exe",
	}
}

// unpack gives every file in the archive to keep, by its name in the copy's directory. A file of another name, with
// a path, twice, or that is no regular file makes it stop, as does more than limit bytes in all.
//
// Errors: ErrArchive; those of keep.
func unpack(archive *os.File, goos, target string, limit int64, keep func(name string, content io.Reader) error) error {
	u := &unpacking{names: members(goos, target), left: limit, keep: keep}
	var err error
	if goos == "windows" {
		err = u.zip(archive)
	} else {
		err = u.tar(archive)
	}
	if err == nil && !slices.Contains(u.seen, programName(goos)) {
		return ErrArchive
	}
	return err
}

type unpacking struct {
	names map[string]string
	left  int64 // bytes
	seen  []string
	keep  func(name string, content io.Reader) error
}

func (u *unpacking) tar(archive io.Reader) error {
	plain, err := gzip.NewReader(archive)
	if err != nil {
		return ErrArchive
	}
	for members := tar.NewReader(plain); ; {
		header, err := members.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil, header.Typeflag != tar.TypeReg:
			return ErrArchive
		}
		if err := u.take(header.Name, members); err != nil {
			return err
		}
	}
}

func (u *unpacking) zip(archive *os.File) error {
	info, err := archive.Stat()
	if err != nil {
		return err
	}
	directory, err := zip.NewReader(archive, info.Size())
	if err != nil {
		return ErrArchive
	}
	for _, member := range directory.File {
		content, err := member.Open()
		if err != nil || !member.Mode().IsRegular() {
			return ErrArchive
		}
		if err := errors.Join(u.take(member.Name, content), content.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (u *unpacking) take(member string, content io.Reader) error {
	name, ok := u.names[member]
	if !ok || slices.Contains(u.seen, name) {
		return ErrArchive
	}
	u.seen = append(u.seen, name)
	counted := &source{from: io.LimitReader(content, u.left+1)}
	if err := u.keep(name, counted); err != nil {
		if counted.err != nil {
			return ErrArchive // what failed is the reading
		}
		return err
	}
	if u.left -= counted.read; u.left < 0 {
		return ErrArchive
	}
	return nil
}

// source counts what is read, and remembers why no more could be.
type source struct {
	from io.Reader
	read int64
	err  error
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n, err := s.from.Read(p)
	s.read += int64(n)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}
