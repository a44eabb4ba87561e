package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// reader asks the cluster's servers as its administrator. What changes something goes through kubectl.
type reader struct{ client *http.Client }

func newReader(p *pki) (*reader, error) {
	authority, err := os.ReadFile(p.path("authority.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("authority.crt holds no certificate")
	}
	pair, err := tls.LoadX509KeyPair(p.path("administrator.crt"), p.path("administrator.key"))
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}
	return &reader{client: &http.Client{Transport: transport, Timeout: 10 * time.Second}}, nil
}

// get decodes the answer into a value, unless it is nil. Other codes than 200 are errors, with what the server said.
func (r *reader) get(ctx context.Context, url string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := r.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, err := io.ReadAll(io.LimitReader(response.Body, 4096))
		return errors.Join(fmt.Errorf("GET %s: %s: %s", url, response.Status, text), err)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// condition of an object's status.
type condition struct{ Type, Status, Message string }

// object is as much of an object as is looked at here.
type object struct {
	Metadata struct{ Name string }
	Spec     struct{ Taints []struct{ Key string } }
	Status   struct {
		Conditions  []condition
		Allocatable map[string]string
	}
}

// named asks for objects with these names, each with a condition that is True.
func (r *reader) named(ctx context.Context, url, kind string, names []string, wanted string, more func(object) error) error {
	var list struct{ Items []object }
	if err := r.get(ctx, url, &list); err != nil {
		return err
	}
	present := map[string]object{}
	for _, o := range list.Items {
		present[o.Metadata.Name] = o
	}
	for _, name := range names {
		o, there := present[name]
		if !there {
			return fmt.Errorf("%s %s is not there", kind, name)
		}
		if err := holds(o.Status.Conditions, wanted); err != nil {
			return fmt.Errorf("%s %s: %w", kind, name, err)
		}
		if err := more(o); err != nil {
			return fmt.Errorf("%s %s: %w", kind, name, err)
		}
	}
	return nil
}

// holds fails unless one of the conditions has that type and is True.
func holds(conditions []condition, wanted string) error {
	for _, c := range conditions {
		if c.Type == wanted && c.Status == "True" {
			return nil
		}
	}
	return fmt.Errorf("not %s: %v", wanted, conditions)
}
