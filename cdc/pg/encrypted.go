package pg

import (
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
)

// explainTLS turns a failed agreement on encryption into one line; nil when something else has failed. What only the server's
// owner can mend, and may mend while the sidecar waits, is tried again.
func explainTLS(err error, where, host string) error {
	var (
		unknown x509.UnknownAuthorityError
		named   x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case strings.Contains(err.Error(), "server refused TLS connection"): // pgconn has no type for it
		return permanentf("%s: the server takes no encrypted connections; set ssl = on there, or sslmode=disable in --postgres where nobody else is on the way", where)
	case errors.As(err, &unknown):
		return permanentf("%s: nobody known here has signed its certificate; give the signer's certificate as sslrootcert=FILE in --postgres", where)
	case errors.As(err, &named):
		return permanentf("%s: its certificate is not for %s; connect by the name in it, or have one made for this name", where, host)
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("%s: its certificate is valid from %s to %s; renew it on the server, or correct the clock here",
			where, invalid.Cert.NotBefore.UTC().Format(toTheMinute), invalid.Cert.NotAfter.UTC().Format(toTheMinute))
	}
	return nil
}

const toTheMinute = "2006-01-02 15:04 UTC"
