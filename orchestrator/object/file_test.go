package object

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"nightshift.dev/nightshift/orchestrator"
)

func fileStore(t testing.TB) (*Store, string) {
	t.Helper()
	folder := t.TempDir()
	store, err := New(Access{Write: []string{"file://" + folder}})
	if err != nil {
		t.Fatal(err)
	}
	return store, folder
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// wantCode fails unless err is an Error with the code, and gives it.
func wantCode(t testing.TB, err error, code string) *Error {
	t.Helper()
	var problem *Error
	if !errors.As(err, &problem) || problem.Code != code {
		t.Fatalf("got %v, want an Error with code %s", err, code)
	}
	return problem
}

func TestChangedFileIsRefused(t *testing.T) {
	t.Parallel()
	changes := map[string]func(name string) error{
		"longer":    func(name string) error { return os.WriteFile(name, []byte("12345678"), 0o666) },
		"shorter":   func(name string) error { return os.Truncate(name, 2) },
		"rewritten": func(name string) error { return os.Chtimes(name, time.Time{}, time.Unix(1_700_000_000, 1)) },
		"replaced": func(name string) error {
			info, err := os.Stat(name)
			if err != nil {
				return err
			}
			other := name + ".new"
			return errors.Join(os.WriteFile(other, []byte("abcd"), 0o666), os.Chtimes(other, time.Time{}, info.ModTime()), os.Rename(other, name))
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, folder := fileStore(t)
			file := filepath.Join(folder, "a.jsonl")
			writeFile(t, file, "1234")
			accepted, err := store.Stat(t.Context(), "file://"+file, "")
			if err != nil {
				t.Fatal(err)
			}
			reader, err := store.OpenRange(t.Context(), accepted, 1, 2)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := io.ReadAll(reader); err != nil || string(data) != "23" {
				t.Fatalf("before the change read %q, %v", data, err)
			}
			reader.Close()
			if err := change(file); err != nil {
				t.Fatal(err)
			}
			_, err = store.OpenRange(t.Context(), accepted, 1, 2)
			wantCode(t, err, CodeInputChanged)
		})
	}
}

func TestFileThatShrinksWhileItIsRead(t *testing.T) {
	t.Parallel()
	store, folder := fileStore(t)
	file := filepath.Join(folder, "a.jsonl")
	writeFile(t, file, "12345678")
	accepted, err := store.Stat(t.Context(), "file://"+file, "")
	if err != nil {
		t.Fatal(err)
	}
	reader, err := store.OpenRange(t.Context(), accepted, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	if err := os.Truncate(file, 3); err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(reader)
	wantCode(t, err, CodeInputChanged)
	if string(data) != "123" {
		t.Errorf("read %q", data)
	}
}

// Without an ETag, size and modification time to the second decide.
func TestIdentityWithoutETag(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 1, 2, 3, 4, 500, time.UTC)
	want := orchestrator.Object{Size: 3, ModTime: at}
	if difference := changed(want, entry{size: 3, modTime: at.Truncate(time.Second), etag: "x"}); difference != "" {
		t.Errorf("same object is said to differ: %s", difference)
	}
	if changed(want, entry{size: 3, modTime: at.Add(time.Second)}) == "" || changed(want, entry{size: 4, modTime: at}) == "" {
		t.Error("a change was not seen")
	}
}

func TestOnlyRegularFilesAreOpened(t *testing.T) {
	t.Parallel()
	store, folder := fileStore(t)
	pipe := filepath.Join(folder, "pipe.jsonl")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := store.Stat(t.Context(), "file://"+pipe, "")
	wantCode(t, err, CodeNotReadable)
	_, err = store.OpenRange(t.Context(), orchestrator.Object{URI: "file://" + pipe, Size: 3}, 0, 3) // must not wait for a writer
	wantCode(t, err, CodeNotReadable)
}

func TestObjectAppearsWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	store, folder := fileStore(t)
	uri := "file://" + folder + "/new/part.jsonl"
	for _, text := range []string{"first", "second, longer", ""} {
		writer, err := store.Create(t.Context(), uri)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := os.ReadFile(filepath.Join(folder, "new/part.jsonl"))
		if _, err := io.WriteString(writer, text); err != nil {
			t.Fatal(err)
		}
		if during, _ := os.ReadFile(filepath.Join(folder, "new/part.jsonl")); !bytes.Equal(before, during) {
			t.Errorf("%q became visible before Close", during)
		}
		if _, err := writer.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after, err := os.ReadFile(filepath.Join(folder, "new/part.jsonl")); err != nil || string(after) != text {
			t.Errorf("after Close: %q, %v; want %q", after, err, text)
		}
		if _, err := writer.Close(t.Context()); err == nil {
			t.Error("a second Close succeeded")
		}
		if err := writer.Abort(t.Context()); err != nil {
			t.Errorf("abort after close: %v", err)
		}
	}
	aborted, err := store.Create(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	if err := aborted.Abort(t.Context()); err != nil {
		t.Fatal(err)
	}
	names, err := os.ReadDir(filepath.Join(folder, "new"))
	if err != nil || len(names) != 1 {
		t.Errorf("the folder holds %v, %v; want only part.jsonl", names, err)
	}
}

func TestLongNames(t *testing.T) {
	t.Parallel()
	store, folder := fileStore(t)
	uri := "file://" + folder + "/" + strings.Repeat("n", 255)
	writer, err := store.Create(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := writer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := store.ReadAll(t.Context(), uri, 10); err != nil {
		t.Fatal(err)
	}
	_, err = store.Create(t.Context(), uri+"n/x")
	wantCode(t, err, CodeOutputUnwritable)
}

func TestUnwritableOutput(t *testing.T) {
	t.Parallel()
	store, folder := fileStore(t)
	writeFile(t, filepath.Join(folder, "file"), "")
	for _, uri := range []string{"file://" + folder + "/file/part.jsonl", "file://" + folder} {
		_, err := store.Create(t.Context(), uri)
		wantCode(t, err, CodeOutputUnwritable)
	}
	kernel, err := New(Access{Write: []string{"file:///proc"}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = kernel.Create(t.Context(), "file:///proc/part.jsonl")
	wantCode(t, err, CodeOutputUnwritable)
}

// A full disk, as the kernel reports it.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	device, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("needs /dev/full: %v", err)
	}
	defer device.Close()
	_, err = device.WriteString("x")
	wantCode(t, writeError("file:///dev/full", err), CodeOutputFull)
}

const limitedChild = "NIGHTSHIFT_TEST_LIMITED_FOLDER"

// A process that may write files of at most 64 KiB: writing, closing and aborting all behave.
func TestOutputOverTheLimit(t *testing.T) {
	if folder := os.Getenv(limitedChild); folder != "" {
		writeOverLimit(t, folder)
		return
	}
	t.Parallel()
	folder := t.TempDir()
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOutputOverTheLimit$", "-test.v")
	child.Env = append(os.Environ(), limitedChild+"="+folder)
	if output, err := child.CombinedOutput(); err != nil {
		t.Fatalf("child: %v\n%s", err, output)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func writeOverLimit(t *testing.T, folder string) {
	signal.Ignore(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 64 << 10, Max: 64 << 10}); err != nil {
		t.Fatal(err)
	}
	store, err := New(Access{Write: []string{"file://" + folder}})
	if err != nil {
		t.Fatal(err)
	}
	writer, err := store.Create(t.Context(), "file://"+folder+"/part.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	_, err = writer.Write(make([]byte, 100<<10))
	wantCode(t, err, CodeOutputFull)
	_, err = writer.Write([]byte("more"))
	wantCode(t, err, CodeOutputFull)
	_, err = writer.Close(t.Context())
	wantCode(t, err, CodeOutputFull)
}

func BenchmarkWriteFile(b *testing.B) {
	store, folder := fileStore(b)
	data := bytes.Repeat([]byte("0123456789abcdef"), 16<<10)
	const times = 256
	b.SetBytes(int64(len(data) * times))
	for b.Loop() {
		writer, err := store.Create(b.Context(), fmt.Sprintf("file://%s/part.jsonl", folder))
		if err != nil {
			b.Fatal(err)
		}
		for range times {
			if _, err := writer.Write(data); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := writer.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSHA256(b *testing.B) {
	sum := sha256.New()
	data := make([]byte, 256<<10)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		sum.Write(data)
	}
}
