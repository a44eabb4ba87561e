package kafkatest

import (
	"bytes"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"nightshift.dev/nightshift/e2e/loopback"
)

const (
	startWithin = 90 * time.Second
	clusterID   = "AAAAAAAAAAAAAAAAAAAAAQ"
)

// Broker is one broker, whose process may be killed and started again. The first of a cluster is its controller, too; of three or more, each is one of the quorum.
type Broker struct {
	Address    string // of the plain listener: who comes there may do everything
	Protected  string // of the listener with SASL and TLS: who comes there may do what access lists say
	ID         int32
	dir        string
	controller string // of its own listener; empty: it is none
	voters     string
	lib        string
	process    *exec.Cmd
	ended      chan struct{}
	log        bytes.Buffer // of the process, readable when it has ended
}

// Cluster is brokers that know each other.
type Cluster struct {
	Brokers   []*Broker
	Authority []byte // certificate of who has signed those of the brokers, PEM
}

// Start returns when all brokers answer. Its processes end with the test. settings overwrite those of the brokers.
func Start(t testing.TB, brokers int, settings map[string]string) *Cluster {
	t.Helper()
	lib, dir := jars(t), t.TempDir()
	authority := writeCertificates(t, dir)
	cluster := &Cluster{Authority: authority}
	var controllers, voters []string
	for id := 1; id == 1 || brokers >= 3 && id <= brokers; id++ {
		controllers = append(controllers, fmt.Sprintf("127.0.0.1:%d", loopback.FreePort(t)))
		voters = append(voters, fmt.Sprintf("%d@%s", id, controllers[id-1]))
	}
	for id := 1; id <= brokers; id++ {
		b := &Broker{ID: int32(id), dir: dir, voters: strings.Join(voters, ","), lib: lib} //nolint:gosec // there are few
		if id <= len(controllers) {
			b.controller = controllers[id-1]
		}
		b.move(t)
		b.format(t, settings)
		cluster.Brokers = append(cluster.Brokers, b)
	}
	for _, b := range cluster.Brokers {
		b.launch(t)
		t.Cleanup(b.Kill)
	}
	for _, b := range cluster.Brokers {
		b.await(t)
	}
	return cluster
}

// Addresses are those of the plain listeners.
func (c *Cluster) Addresses() []string {
	var all []string
	for _, b := range c.Brokers {
		all = append(all, b.Address)
	}
	return all
}

// Kill ends the process at once.
func (b *Broker) Kill() {
	_ = b.process.Process.Kill() // it may have ended
	<-b.ended
}

// Stop lets the process give away what it leads, and end.
func (b *Broker) Stop(t testing.TB) {
	t.Helper()
	if err := b.process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-b.ended:
	case <-time.After(startWithin):
		t.Fatalf("broker %d does not end within %s", b.ID, startWithin)
	}
}

// Restart lets a killed broker come back as it was.
func (b *Broker) Restart(t testing.TB) {
	t.Helper()
	b.launch(t)
	b.await(t)
}

// Replace lets a killed broker come back at other addresses, with its disk.
func (b *Broker) Replace(t testing.TB, settings map[string]string) {
	t.Helper()
	b.move(t)
	b.configure(t, settings)
	b.Restart(t)
}

func (b *Broker) move(t testing.TB) {
	b.Address = fmt.Sprintf("127.0.0.1:%d", loopback.FreePort(t))
	b.Protected = fmt.Sprintf("127.0.0.1:%d", loopback.FreePort(t))
}

func (b *Broker) file() string {
	return filepath.Join(b.dir, fmt.Sprintf("server-%d.properties", b.ID))
}

func (b *Broker) format(t testing.TB, settings map[string]string) {
	t.Helper()
	b.configure(t, settings)
	if said, err := b.java("kafka.tools.StorageTool", "format", "-t", clusterID, "-c", b.file()).CombinedOutput(); err != nil {
		t.Fatalf("format a broker's folder: %v\n%s", err, said)
	}
}

func (b *Broker) configure(t testing.TB, settings map[string]string) {
	t.Helper()
	all := b.settings()
	maps.Copy(all, settings)
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&text, "%s=%s\n", name, all[name])
	}
	if err := os.WriteFile(b.file(), []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *Broker) settings() map[string]string {
	all := map[string]string{
		"process.roles": "broker", "node.id": fmt.Sprint(b.ID), "controller.quorum.voters": b.voters, "controller.listener.names": "CONTROLLER",
		"listeners":                        "PLAINTEXT://" + b.Address + ",SASL_SSL://" + b.Protected,
		"advertised.listeners":             "PLAINTEXT://" + b.Address + ",SASL_SSL://" + b.Protected,
		"listener.security.protocol.map":   "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL",
		"inter.broker.listener.name":       "PLAINTEXT",
		"log.dirs":                         filepath.Join(b.dir, fmt.Sprintf("data-%d", b.ID)),
		"auto.create.topics.enable":        "false",
		"group.initial.rebalance.delay.ms": "0",
		"offsets.topic.replication.factor": "1",
		"offsets.topic.num.partitions":     "4",
		"log.cleaner.backoff.ms":           "1000",
		"log.retention.check.interval.ms":  "1000", "log.initial.task.delay.ms": "500",
		"broker.session.timeout.ms":                        "3000",
		"broker.heartbeat.interval.ms":                     "500",
		"authorizer.class.name":                            "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
		"super.users":                                      "User:ANONYMOUS",
		"sasl.enabled.mechanisms":                          "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
		"ssl.keystore.type":                                "PEM",
		"ssl.keystore.location":                            filepath.Join(b.dir, "broker.pem"),
		"ssl.client.auth":                                  "none",
		"share.coordinator.state.topic.replication.factor": "1", "share.coordinator.state.topic.min.isr": "1", "share.coordinator.state.topic.num.partitions": "4",
		"transaction.state.log.replication.factor": "1", "transaction.state.log.min.isr": "1", "transaction.state.log.num.partitions": "4",
		"listener.name.sasl_ssl.plain.sasl.jaas.config":         `org.apache.kafka.common.security.plain.PlainLoginModule required user_plainuser="` + Password + `";`,
		"listener.name.sasl_ssl.scram-sha-256.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required;",
	}
	if b.controller != "" {
		all["process.roles"] = "broker,controller"
		all["listeners"] += ",CONTROLLER://" + b.controller
	}
	return all
}

// PlainUser may come by SASL PLAIN, with this password.
const (
	PlainUser = "plainuser"
	Password  = "correct-horse"
)

func (b *Broker) java(arguments ...string) *exec.Cmd {
	all := []string{"-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", b.lib + "/*"}
	command := exec.Command("java", append(all, arguments...)...)
	command.Dir = b.dir
	command.SysProcAttr = attributes()
	return command
}

func (b *Broker) launch(t testing.TB) {
	t.Helper()
	b.log.Reset()
	b.process, b.ended = b.java("kafka.Kafka", b.file()), make(chan struct{})
	b.process.Stdout, b.process.Stderr = &b.log, &b.log
	if err := b.process.Start(); err != nil {
		t.Fatal(err)
	}
	go func(process *exec.Cmd, ended chan struct{}) { // it ends with the process
		_ = process.Wait() // being killed is no error here
		close(ended)
	}(b.process, b.ended)
}

// await returns when the port is open: a broker opens it when it is registered.
func (b *Broker) await(t testing.TB) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	late := time.After(startWithin)
	for {
		if connection, err := net.Dial("tcp", b.Address); err == nil {
			_ = connection.Close()
			return
		}
		select {
		case <-tick.C:
		case <-b.ended:
			t.Fatalf("broker %d has ended:\n%s", b.ID, b.log.String())
		case <-late:
			b.Kill()
			t.Fatalf("broker %d does not answer within %s:\n%s", b.ID, startWithin, b.log.String())
		}
	}
}
