package seal

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// longestKey bounds a key file, in bytes.
const longestKey = 4 << 10

// WriteKeys makes a key pair and writes the private key to path, which only the owner may read, and the public one to
// path.pub. It overwrites nothing.
func WriteKeys(path, name string) (public string, err error) {
	if !isName(name) {
		return "", fmt.Errorf("%q cannot be a key's name: it must be printable, without spaces and plus signs", name)
	}
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return "", fmt.Errorf("make key: %w", err)
	}
	if err := writeNew(path+".pub", public+"\n", 0o644); err != nil {
		return "", err
	}
	if err := writeNew(path, private+"\n", 0o600); err != nil {
		return "", errors.Join(err, os.Remove(path+".pub"))
	}
	return public, nil
}

func isName(name string) bool {
	return name != "" && utf8.ValidString(name) && !strings.Contains(name, "+") && len(name) <= 255 &&
		strings.IndexFunc(name, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }) < 0
}

func writeNew(path, text string, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	switch {
	case errors.Is(err, os.ErrExist):
		return fmt.Errorf("write key: %w; a key is never overwritten, move the old one away", err)
	case err != nil:
		return fmt.Errorf("write key: %w", err)
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(fmt.Errorf("write key: %w", err), os.Remove(path))
	}
	return nil
}

// ReadSigner reads a private key, as WriteKeys writes it.
func ReadSigner(path string) (*Signer, error) {
	text, err := readKey(path)
	if err != nil {
		return nil, err
	}
	log, err := note.NewSigner(text)
	if err != nil {
		return nil, fmt.Errorf("read key %s: it is not a private key; make one with: lowcap-cdc audit keygen --out FILE", path)
	}
	fields := strings.SplitN(text, "+", 5) // PRIVATE+KEY+name+hash+key
	seed, err := base64.StdEncoding.DecodeString(fields[len(fields)-1])
	if err != nil || len(seed) != 1+ed25519.SeedSize {
		return nil, fmt.Errorf("read key %s: it is not an Ed25519 key", path)
	}
	private := ed25519.NewKeyFromSeed(seed[1:])
	public, err := note.NewEd25519VerifierKey(log.Name(), private.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	verifier, err := ParseVerifier(public)
	return &Signer{Verifier: verifier, log: log, private: private}, err
}

// IsOpen reports whether everybody on this machine may read a key's file, or write to it.
func IsOpen(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().Perm()&0o006 != 0
}

// ReadVerifier reads a public key, as WriteKeys writes it.
func ReadVerifier(path string) (*Verifier, error) {
	text, err := readKey(path)
	if err != nil {
		return nil, err
	}
	v, err := ParseVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", path, err)
	}
	return v, nil
}

func readKey(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("read key: %w; make one with: lowcap-cdc audit keygen --out FILE", err)
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, longestKey))
	return strings.TrimSpace(string(text)), err
}

// The signature types of https://c2sp.org/signed-note.
const (
	plainType    = 1
	cosignedType = 4
)

// Verifier knows a public key. It recognises a log's own signature, and a witness's cosignature, by the same key.
type Verifier struct {
	name      string
	key       ed25519.PublicKey
	log       note.Verifier
	cosignKey uint32
}

// ParseVerifier reads a verifier key, for a log or for a witness (https://c2sp.org/signed-note#verifier-keys).
func ParseVerifier(text string) (*Verifier, error) {
	errKey := errors.New("it is not a public key of Ed25519, as audit keygen writes it to FILE.pub")
	name, rest, _ := strings.Cut(text, "+")
	_, encoded, _ := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || !isName(name) {
		return nil, errKey
	}
	key := ed25519.PublicKey(raw[1:])
	plain, err := note.NewEd25519VerifierKey(name, key)
	if err != nil {
		return nil, errKey
	}
	cosigned := cosignHash(name, key)
	if text != plain &&
		text != fmt.Sprintf("%s+%08x+%s", name, cosigned, base64.StdEncoding.EncodeToString(append([]byte{cosignedType}, key...))) {
		return nil, errKey
	}
	log, err := note.NewVerifier(plain)
	return &Verifier{name, key, log, cosigned}, err
}

// Name returns the key's name, which is the origin of the checkpoints that it signs.
func (v *Verifier) Name() string { return v.name }

// Log returns the verifier of the log's own signature.
func (v *Verifier) Log() note.Verifier { return v.log }

// Witness returns the verifier of a cosignature (https://c2sp.org/tlog-cosignature, the Ed25519 form).
func (v *Verifier) Witness() note.Verifier { return witness{v} }

// Signer holds a private key.
type Signer struct {
	*Verifier
	log     note.Signer
	private ed25519.PrivateKey
}

// Sign returns a checkpoint as a signed note.
func (s *Signer) Sign(c *Checkpoint) ([]byte, error) {
	return note.Sign(&note.Note{Text: c.Text()}, s.log)
}

// Cosign adds a witness's signature to a note that was checked, as of now.
func (s *Signer) Cosign(n *note.Note, now time.Time) ([]byte, error) {
	return note.Sign(n, cosigner{s, now})
}

func cosignHash(name string, key ed25519.PublicKey) uint32 {
	return hash32([]byte(name+"\n"), []byte{cosignedType}, key)
}

type cosigner struct {
	*Signer
	now time.Time
}

func (c cosigner) KeyHash() uint32 { return c.cosignKey }

func (c cosigner) Sign(text []byte) ([]byte, error) {
	at := uint64(c.now.Unix())
	return append(binary.BigEndian.AppendUint64(nil, at), ed25519.Sign(c.private, cosigned(at, text))...), nil
}

type witness struct{ *Verifier }

func (w witness) KeyHash() uint32 { return w.cosignKey }

func (w witness) Verify(text, signature []byte) bool {
	if len(signature) != 8+ed25519.SignatureSize {
		return false
	}
	at := binary.BigEndian.Uint64(signature)
	return at < 1<<63 && ed25519.Verify(w.key, cosigned(at, text), signature[8:])
}

// cosigned returns what a witness signs: when, and what.
func cosigned(at uint64, text []byte) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", at, text)
}

// hash32 returns the first four bytes of the SHA-256 of what it is given, as a number.
func hash32(parts ...[]byte) uint32 {
	h := sha256.New()
	for _, part := range parts {
		h.Write(part)
	}
	return binary.BigEndian.Uint32(h.Sum(nil))
}
