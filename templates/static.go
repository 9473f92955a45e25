package templates

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed static
var files embed.FS

// StaticFile is a file that browsers load.
type StaticFile struct {
	Path    string // below the address that it is served under: <hash>/app.css
	Type    string // Content-Type
	Content []byte
	Gzipped []byte // the same, compressed
}

// types are the files that are served, by how their names end.
var types = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// StaticBase is the address of everything static. What has changed has another one below it, so that browsers may keep what they have.
const StaticBase = "/dashboard/static/"

// StaticFiles are all of them. One hash, of all contents, stands in the path of each.
var StaticFiles = readStatic()

// Static is the address of a file, by its name. A name that there is not is a mistake in a template.
func Static(name string) string {
	for _, file := range StaticFiles {
		if path.Base(file.Path) == name {
			return StaticBase + file.Path
		}
	}
	panic("templates: there is no static file " + name)
}

func readStatic() (all []StaticFile) {
	sum := sha256.New()
	entries, err := fs.ReadDir(files, "static")
	if err != nil {
		panic(fmt.Sprintf("templates: %v", err)) // it is in the binary
	}
	for _, entry := range entries {
		kind, served := types[path.Ext(entry.Name())]
		if !served {
			continue
		}
		content, err := files.ReadFile("static/" + entry.Name())
		if err != nil {
			panic(fmt.Sprintf("templates: %v", err))
		}
		_, _ = fmt.Fprintf(sum, "%s %d\n%s", entry.Name(), len(content), content) // a hash takes everything
		all = append(all, StaticFile{Path: entry.Name(), Type: kind, Content: content, Gzipped: compress(content)})
	}
	hash := hex.EncodeToString(sum.Sum(nil)[:8])
	for i := range all {
		all[i].Path = hash + "/" + all[i].Path
	}
	return all
}

func compress(content []byte) []byte {
	var short bytes.Buffer
	writer, err := gzip.NewWriterLevel(&short, gzip.BestCompression)
	if err == nil {
		_, err = writer.Write(content)
	}
	if err == nil {
		err = writer.Close()
	}
	if err != nil {
		panic(fmt.Sprintf("templates: compressing: %v", err)) // into memory
	}
	return short.Bytes()
}

// Vendored is the list of the files that are not ours, as static/vendored.txt has it: name, where it is from, SHA-256.
func Vendored() [][]string {
	text, err := files.ReadFile("static/vendored.txt")
	if err != nil {
		panic(fmt.Sprintf("templates: %v", err))
	}
	var all [][]string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 4 && fields[0] != "#" {
			all = append(all, fields)
		}
	}
	return all
}
