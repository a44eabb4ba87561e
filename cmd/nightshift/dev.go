package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"nightshift.dev/nightshift/orchestrator/embedded"
)

func devCommand() *cobra.Command {
	options := serviceOptions{orphanTimeout: time.Minute, embedded: true}
	var port int
	command := &cobra.Command{
		Use:   "dev",
		Short: "Run everything on this machine: the service, JetStream with a file store, and local workers",
		Args:  cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return dev(command.Context(), command.OutOrStdout(), options, port)
		},
	}
	serviceFlags(command, &options)
	command.Flags().IntVar(&port, "port", 4222, "port of the NATS server on 127.0.0.1; 0: a free one, kept for the next start")
	return command
}

func dev(ctx context.Context, out io.Writer, options serviceOptions, port int) error {
	dir, err := filepath.Abs(options.dir)
	if err != nil {
		return fmt.Errorf("find the folder: %w", err)
	}
	options.dir = dir
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("make the folder: %w", err)
	}
	if port == 0 {
		port = keptPort(dir)
	}
	server, err := embedded.Start(embedded.Config{Dir: filepath.Join(dir, "nats"), Port: port})
	if err != nil {
		return err
	}
	defer server.Stop()
	keepPort(dir, server.URL())
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	nc, err := server.Connect()
	if err != nil {
		return fmt.Errorf("connect to the embedded NATS server: %w", err)
	}
	defer nc.Close()
	in, err := startService(ctx, nc, (&program{nats: server.URL()}).reach(), options, log)
	if err != nil {
		return err
	}
	forget := announceAddress(server.URL())
	defer forget()
	fmt.Fprintf(out, "nightshift is ready: NATS at %s, state in %s\n\n", server.URL(), options.dir)
	fmt.Fprintf(out, "  nightshift submit -q QUEUE INPUT --watch    score a file\n  nightshift list                              see the jobs\n"+
		"  nightshift explain                           why there are so many workers\n\nCtrl-C ends it; jobs go on at the next start.\n")
	return errors.Join(in.wait(ctx), in.release())
}

// release lets the next start go on at once with the shards that workers handed back (N3).
func (in *installation) release() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return in.store.Release(ctx)
}

// keptPort is the port that an earlier start in this folder was given, so that workers it left behind find the server again; -1 when there is none or it
// is taken.
func keptPort(dir string) int {
	data, err := os.ReadFile(filepath.Join(dir, "port"))
	if err != nil {
		return -1
	}
	port, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		return -1
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return -1
	}
	_ = listener.Close() // it was only a question
	return port
}

func keepPort(dir, url string) {
	_, port, _ := strings.Cut(strings.TrimPrefix(url, "nats://"), ":")
	_ = os.WriteFile(filepath.Join(dir, "port"), []byte(port+"\n"), 0o600) // without it the next start takes another port
}

// announceAddress writes down where this server listens, for commands that are given no address.
func announceAddress(url string) (forget func()) {
	file, err := addressFile()
	if err != nil {
		return func() {}
	}
	if os.MkdirAll(filepath.Dir(file), 0o700) != nil || os.WriteFile(file, []byte(url+"\n"), 0o600) != nil {
		return func() {} // a convenience: --nats works without it
	}
	return func() {
		if data, err := os.ReadFile(file); err == nil && strings.TrimSpace(string(data)) == url {
			_ = os.Remove(file)
		}
	}
}

// addressFile is where a running `nightshift dev` says its address.
func addressFile() (string, error) {
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "nightshift", "dev.url"), nil
}
