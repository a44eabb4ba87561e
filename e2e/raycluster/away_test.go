package raycluster

import (
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// door is a way to the API server that can be shut.
type door struct {
	to       string
	listener net.Listener

	mu    sync.Mutex
	shut  bool
	conns map[net.Conn]bool
	ended sync.WaitGroup
}

// openDoor gives a kubeconfig that leads through a door.
func openDoor(t *testing.T, kubeconfig, folder string) (*door, string) {
	t.Helper()
	text, err := os.ReadFile(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "server: ")
	server, _, _ := strings.Cut(rest, "\n")
	at, err := url.Parse(strings.Trim(strings.TrimSpace(strings.TrimSuffix(server, "}")), `"`))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{to: at.Host, listener: listener, conns: map[net.Conn]bool{}}
	d.ended.Go(d.serve)
	t.Cleanup(func() {
		_ = listener.Close()
		d.set(true)
		d.ended.Wait()
	})
	through := filepath.Join(folder, "kubeconfig")
	if err := os.WriteFile(through, []byte(strings.ReplaceAll(string(text), at.Host, listener.Addr().String())), 0o600); err != nil {
		t.Fatal(err)
	}
	return d, through
}

func (d *door) serve() {
	for {
		from, err := d.listener.Accept()
		if err != nil {
			return
		}
		to, err := net.Dial("tcp", d.to)
		if err != nil || !d.keep(from, to) {
			_ = from.Close()
			continue
		}
		d.ended.Go(func() { _, _ = io.Copy(to, from); _ = to.Close() })
		d.ended.Go(func() { _, _ = io.Copy(from, to); _ = from.Close() })
	}
}

// keep remembers connections, so that they can be cut; false: the door is shut.
func (d *door) keep(conns ...net.Conn) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, conn := range conns {
		if d.shut {
			_ = conn.Close()
		} else {
			d.conns[conn] = true
		}
	}
	return !d.shut
}

// set shuts the door, which cuts every connection, or opens it.
func (d *door) set(shut bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = shut
	for conn := range d.conns {
		if shut {
			_ = conn.Close()
			delete(d.conns, conn)
		}
	}
}

// RC4: while the API server is away nothing is written and nothing shrinks, not even once the work is done; then what is left to do is done.
func TestAPIServerIsAway(t *testing.T) {
	in := prepareInstallation(t)
	door, through := openDoor(t, in.Kubeconfig, in.Dir)
	in.Reach = through
	in.run()
	job := in.submit(3_000, "10s")
	in.until("workers work", func() bool { return in.working() >= 2 })
	door.set(true)
	in.until("the plan says why nothing changes", func() bool {
		said, err := in.Nightshift("explain")
		return err == nil && strings.Contains(said, "nothing changes, neither fewer nor more, while the size is not known")
	})
	before := in.cluster().Metadata.ResourceVersion
	if said, err := in.Nightshift("watch", job); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	select {
	case <-time.After(6 * time.Second): // three times scaleDownDelay
	case <-t.Context().Done():
	}
	if after := in.cluster(); after.Metadata.ResourceVersion != before || after.Spec.Groups[0].Replicas != 4 {
		t.Errorf("%d replicas, and version %s became %s", after.Spec.Groups[0].Replicas, before, after.Metadata.ResourceVersion)
	}
	door.set(false)
	in.ends(job, 3_000)
}
