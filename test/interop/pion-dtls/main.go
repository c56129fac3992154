// pion/ice and pion/dtls as the peer of an interop test: pion-dtls ROLE. One JSON object a line, ours on stdout, the
// other's on stdin: parameters with fingerprints; then {"connected", "exporter", "suite"} is written. The controlling
// side is the DTLS server. Every record comes back as it was, an echo request as its reply. A further line on stdin closes the association; its end,
// by whomever, is written as {"closed": REASON}: EOF means close_notify of the other side.
package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	stdelliptic "crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/elliptic"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
	dtlsnet "github.com/pion/dtls/v3/pkg/net"

	"idloc/interop/pion-ice/connection"
)

const (
	exporterLabel = "EXPORTER-idloc-link"
	exporterBytes = 32
)

func main() {
	if err := start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func start() error {
	if os.Args[1] != "id" {
		return run(os.Args[1] == "controlling")
	}
	role, peer, bytes, padding, err := connectionIDArguments(os.Args[2:])
	if err != nil {
		return err
	}
	return runWithConnectionID(role, peer, bytes, padding)
}

func run(controlling bool) error {
	key, err := ecdsa.GenerateKey(stdelliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	certificate, err := selfsign.SelfSign(key)
	if err != nil {
		return err
	}
	input := bufio.NewReader(os.Stdin)
	conn, remote, err := connection.Make(controlling, fingerprintOf(certificate.Certificate[0]), input)
	if err != nil {
		return err
	}
	config := configOf(certificate)
	config.VerifyPeerCertificate = func(certificates [][]byte, _ [][]*x509.Certificate) error {
		if len(certificates) == 0 || fingerprintOf(certificates[0]) != remote.Fingerprint {
			return errors.New("the certificate is not the one that was announced")
		}
		return nil
	}
	association, err := handshake(dtlsnet.PacketConnFromConn(conn), conn.RemoteAddr(), controlling, config)
	if err != nil {
		return err
	}
	state, _ := association.ConnectionState()
	exporter, err := state.ExportKeyingMaterial(exporterLabel, nil, exporterBytes)
	if err != nil {
		return err
	}
	if err := connection.Write(map[string]any{
		"connected": true,
		"exporter":  hex.EncodeToString(exporter),
		"suite":     dtls.CipherSuiteName(state.CipherSuiteID),
	}); err != nil {
		return err
	}
	asked, closed := make(chan struct{}), make(chan error, 1)
	go func() {
		if _, err := input.ReadBytes('\n'); err == nil {
			close(asked)
			closed <- association.Close()
		}
	}()
	reason := echo(association).Error()
	select {
	case <-asked:
		// Reading ended before close_notify was sent; only the end of Close tells that it was.
		if err := <-closed; err != nil {
			return err
		}
		reason = "by us"
	default:
	}
	return connection.Write(map[string]string{"closed": reason})
}

func configOf(own tls.Certificate) *dtls.Config {
	return &dtls.Config{
		Certificates:       []tls.Certificate{own},
		CipherSuites:       []dtls.CipherSuiteID{dtls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		EllipticCurves:     []elliptic.Curve{elliptic.P256},
		ClientAuth:         dtls.RequireAnyClientCert,
		InsecureSkipVerify: true,
	}
}

func handshake(conn net.PacketConn, peer net.Addr, server bool, config *dtls.Config) (*dtls.Conn, error) {
	start := dtls.Client
	if server {
		start = dtls.Server
	}
	association, err := start(conn, peer, config)
	if err != nil {
		return nil, err
	}
	patience, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return association, association.HandshakeContext(patience)
}

// Ends with what Read or Write ended with.
func echo(association *dtls.Conn) error {
	buffer := make([]byte, 2048)
	for {
		length, err := association.Read(buffer)
		if err != nil {
			return err
		}
		if length > 0 && buffer[0] == echoRequest {
			buffer[0] = echoReply
		}
		if _, err := association.Write(buffer[:length]); err != nil {
			return err
		}
	}
}

func fingerprintOf(certificate []byte) string {
	sum := sha256.Sum256(certificate)
	return hex.EncodeToString(sum[:])
}
