package lab

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Certificates are PEM files for TLS to a secured broker.
type Certificates struct {
	CA        string // has signed the broker's and the client's certificate
	WrongCA   string // has the same name and has signed nothing
	Cert, Key string // the client's, whose principal has every right
	WrongCert string // a client certificate that WrongCA has signed
	WrongKey  string
	Server    string // key and certificate of 127.0.0.1 in one file, as Kafka wants them
}

// authority is a certificate that signs others.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// makeCertificates writes all files into dir.
func makeCertificates(dir string) (*Certificates, error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	c := &Certificates{CA: at("ca.pem"), WrongCA: at("wrong-ca.pem"), Cert: at("client.pem"), Key: at("client.key"),
		WrongCert: at("wrong.pem"), WrongKey: at("wrong.key"), Server: at("server.pem")}
	right, errRight := newAuthority(c.CA)
	wrong, errWrong := newAuthority(c.WrongCA)
	if err := errors.Join(errRight, errWrong); err != nil {
		return nil, err
	}
	return c, errors.Join(
		right.issue("127.0.0.1", c.Server, c.Server),
		right.issue("lowcap-cdc", c.Cert, c.Key),
		wrong.issue("lowcap-cdc", c.WrongCert, c.WrongKey),
	)
}

func newAuthority(path string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{template("lab CA"), key}
	a.certificate.IsCA, a.certificate.BasicConstraintsValid = true, true
	a.certificate.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, a.certificate, a.certificate, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	return a, appendPEM(path, "CERTIFICATE", der)
}

// issue writes a certificate for a name and its key; both files may be the same.
func (a *authority) issue(name, certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	certificate := template(name)
	certificate.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	certificate.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, certificate, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		return err
	}
	return errors.Join(appendPEM(keyFile, "PRIVATE KEY", secret), appendPEM(certFile, "CERTIFICATE", der))
}

func template(name string) *x509.Certificate {
	now := time.Now()
	return &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour)}
}

func appendPEM(path, kind string, der []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(file, &pem.Block{Type: kind, Bytes: der}), file.Close())
}
