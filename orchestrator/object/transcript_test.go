package object

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"

	"nightshift.dev/nightshift/orchestrator"
)

// The transcripts of testdata run in a folder of their own, shown as $DIR. Commands:
//
//	file NAME [link=TARGET]   write the input as a file, or make a link
//	store                     a store with the roots of the input: read URI, write URI
//	stat URI [format=F]       list PATTERN [limit=N] [format=F]       names PREFIX
//	read URI [limit=N]        range URI START LENGTH
//	write URI                 abandon URI: create, write, and never end      delete URI
func TestTranscripts(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/transcripts", func(t *testing.T, path string) {
		t.Parallel()
		world := &transcript{dir: t.TempDir()}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			answer, err := world.run(t.Context(), d)
			if err != nil {
				answer = "error: " + err.Error() + "\n"
			}
			return strings.ReplaceAll(answer, world.dir, "$DIR")
		})
	})
}

type transcript struct {
	dir   string
	store *Store
	open  []*Writer
}

func (w *transcript) run(ctx context.Context, d *datadriven.TestData) (string, error) {
	var first string
	if len(d.CmdArgs) > 0 {
		first = strings.ReplaceAll(d.CmdArgs[0].Key, "$DIR", w.dir)
	}
	limit := 10
	var format, link string
	for _, argument := range d.CmdArgs {
		switch argument.Key {
		case "limit":
			limit, _ = strconv.Atoi(argument.Vals[0])
		case "format":
			format = argument.Vals[0]
		case "link":
			link = strings.ReplaceAll(argument.Vals[0], "$DIR", w.dir)
		}
	}
	switch d.Cmd {
	case "file":
		return "", w.file(first, d.Input, link)
	case "store":
		return "", w.access(d.Input)
	case "stat":
		one, err := w.store.Stat(ctx, first, orchestrator.Format(format))
		return show(one), err
	case "list":
		all, err := w.store.List(ctx, first, orchestrator.Format(format), limit)
		return show(all...), err
	case "names":
		return w.names(ctx, first)
	case "read":
		data, err := w.store.ReadAll(ctx, first, int64(limit))
		return string(data) + "\n", err
	case "range":
		return w.readRange(ctx, first, d)
	case "delete":
		return "", w.store.Delete(ctx, first)
	case "write", "abandon":
		return w.write(ctx, first, d)
	}
	return "", fmt.Errorf("unknown command %s", d.Cmd)
}

func (w *transcript) file(name, text, link string) error {
	full := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(full), 0o777); err != nil {
		return err
	}
	if link != "" {
		return os.Symlink(link, full)
	}
	return os.WriteFile(full, []byte(text), 0o666)
}

func (w *transcript) access(text string) error {
	var access Access
	for line := range strings.Lines(text) {
		verb, uri, _ := strings.Cut(strings.TrimSpace(strings.ReplaceAll(line, "$DIR", w.dir)), " ")
		if verb == "write" {
			access.Write = append(access.Write, uri)
		} else {
			access.Read = append(access.Read, uri)
		}
	}
	var err error
	w.store, err = New(access)
	return err
}

func show(objects ...orchestrator.Object) string {
	var out strings.Builder
	for _, one := range objects {
		fmt.Fprintf(&out, "%s %d bytes %s", one.URI, one.Size, one.Format)
		if one.Compression != "" {
			fmt.Fprintf(&out, " in %s", one.Compression)
		}
		out.WriteString("\n")
	}
	return out.String()
}

func (w *transcript) names(ctx context.Context, prefix string) (string, error) {
	entries, err := w.store.ListNames(ctx, prefix)
	var out strings.Builder
	for _, one := range entries {
		uri := one.URI
		if IsTemporary(uri) {
			folder, base := filepath.Split(uri)
			uri = folder + temporaryMark + "RANDOM." + filepath.Base(finalName(base)) + " (temporary)"
		}
		fmt.Fprintf(&out, "%s %d bytes\n", uri, one.Bytes)
	}
	return out.String(), err
}

func (w *transcript) readRange(ctx context.Context, uri string, d *datadriven.TestData) (string, error) {
	one, err := w.store.Stat(ctx, uri, "")
	if err != nil {
		return "", err
	}
	start, _ := strconv.ParseInt(d.CmdArgs[1].Key, 10, 64)
	length, _ := strconv.ParseInt(d.CmdArgs[2].Key, 10, 64)
	reader, err := w.store.OpenRange(ctx, one, start, length)
	if err != nil {
		return "", err
	}
	defer reader.Close()
	data := make([]byte, 100)
	count, _ := reader.Read(data)
	return fmt.Sprintf("%q\n", data[:count]), nil
}

func (w *transcript) write(ctx context.Context, uri string, d *datadriven.TestData) (string, error) {
	writer, err := w.store.Create(ctx, uri)
	if err != nil {
		return "", err
	}
	if _, err := writer.Write([]byte(d.Input)); err != nil {
		return "", err
	}
	if d.Cmd == "abandon" {
		w.open = append(w.open, writer)
		return "", nil
	}
	written, err := writer.Close(ctx)
	return fmt.Sprintf("%s %d bytes sha256 %.8s\n", written.URI, written.Bytes, written.SHA256), err
}
