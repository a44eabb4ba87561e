package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// contextName is that of the kubeconfig, by which tests know that it is not somebody's production.
const contextName = "nightshift-cluster"

// validFor is the life of the certificates. Nobody renews them: a cluster of this kind is younger.
const validFor = 365 * 24 * time.Hour

// serviceAddress is the first of the service range, which the API server takes for itself. Where nodes are pretended nobody asks there.
const serviceRange, serviceAddress = "10.233.0.0/16", "10.233.0.1"

// pki is the folder of keys and certificates: everything that listens asks for one that this cluster's authority has signed, so that
// nobody else on the machine, another cluster above all, is let in.
type pki struct {
	dir       string
	authority *x509.Certificate
	key       *ecdsa.PrivateKey
	serial    int64
}

func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

// newPKI writes authority.crt; server.crt, that of everything that listens; administrator.crt; their keys; and accounts.key, which signs the
// tokens of service accounts. The addresses are those of the servers, beside the loopback one.
func newPKI(dir string, addresses ...net.IP) (*pki, error) {
	p := &pki{dir: dir}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	p.key = key
	p.authority = &x509.Certificate{
		Subject: pkix.Name{CommonName: "nightshift cluster"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	if err := p.sign("authority.crt", p.authority, &key.PublicKey); err != nil {
		return nil, err
	}
	both := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} // etcd is a client of itself, the API server one of etcd
	server := &x509.Certificate{
		Subject: pkix.Name{CommonName: "server"}, ExtKeyUsage: both, KeyUsage: x509.KeyUsageDigitalSignature,
		IPAddresses: append([]net.IP{net.IPv4(127, 0, 0, 1)}, addresses...),
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
	}
	if err := p.issue("server", server); err != nil {
		return nil, err
	}
	administrator := &x509.Certificate{
		Subject: pkix.Name{CommonName: "administrator", Organization: []string{"system:masters"}}, ExtKeyUsage: both[1:], KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if err := p.issue("administrator", administrator); err != nil {
		return nil, err
	}
	_, err = p.newKey("accounts.key")
	return p, err
}

// issue writes NAME.key and NAME.crt.
func (p *pki) issue(name string, certificate *x509.Certificate) error {
	key, err := p.newKey(name + ".key")
	if err != nil {
		return err
	}
	return p.sign(name+".crt", certificate, &key.PublicKey)
}

func (p *pki) newKey(file string) (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return key, os.WriteFile(p.path(file), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}

func (p *pki) sign(file string, certificate *x509.Certificate, key *ecdsa.PublicKey) error {
	p.serial++
	certificate.SerialNumber = big.NewInt(p.serial)
	certificate.NotBefore, certificate.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(validFor)
	der, err := x509.CreateCertificate(rand.Reader, certificate, p.authority, key, p.key)
	if err != nil {
		return err
	}
	return os.WriteFile(p.path(file), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
}

// writeKubeconfig makes the administrator's, which holds all it needs: it may be copied.
func (p *pki) writeKubeconfig(path, server string) error {
	var encoded []any
	for _, name := range []string{"authority.crt", "administrator.crt", "administrator.key"} {
		text, err := os.ReadFile(p.path(name))
		if err != nil {
			return err
		}
		encoded = append(encoded, base64.StdEncoding.EncodeToString(text))
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
current-context: `+contextName+`
contexts:
- name: `+contextName+`
  context: {cluster: `+contextName+`, user: administrator, namespace: default}
clusters:
- name: `+contextName+`
  cluster:
    server: `+server+`
    certificate-authority-data: %s
users:
- name: administrator
  user:
    client-certificate-data: %s
    client-key-data: %s
`, encoded...)
	return os.WriteFile(path, []byte(text), 0o600)
}
