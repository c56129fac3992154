package main

import (
	"bufio"
	"crypto/ecdsa"
	stdelliptic "crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/selfsign"
)

const (
	echoRequest = 0x20
	echoReply   = 0x21
	reloadData  = 0x80
)

// movingConn is a UDP socket that Move gives another port; what comes to the old one is lost.
type movingConn struct {
	net.PacketConn
	mutex sync.Mutex
}

func newMovingConn() (*movingConn, error) {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	return &movingConn{PacketConn: conn}, err
}

func (c *movingConn) current() net.PacketConn {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return c.PacketConn
}

func (c *movingConn) Move() error {
	conn, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	c.mutex.Lock()
	old := c.PacketConn
	c.PacketConn = conn
	c.mutex.Unlock()
	return old.Close()
}

func (c *movingConn) ReadFrom(buffer []byte) (int, net.Addr, error) {
	for {
		conn := c.current()
		length, from, err := conn.ReadFrom(buffer)
		if err == nil || conn == c.current() {
			return length, from, err
		}
	}
}

func (c *movingConn) WriteTo(data []byte, to net.Addr) (int, error) {
	return c.current().WriteTo(data, to)
}

// pion-dtls id ROLE PORT BYTES PADDING: a DTLS association with 127.0.0.1:PORT without ICE. BYTES is the length of the
// connection ID that we want to be sent: 0 asks for none and takes the other's, -1 knows no connection IDs. Records
// longer by PADDING zeros. It writes {"port"} and {"connected"}; every record comes back as it was, link control echoes are
// answered. A line on stdin changes our port: {"port"} follows, and a record comes from there.
func runWithConnectionID(role string, peer *net.UDPAddr, bytes int, padding uint) error {
	key, err := ecdsa.GenerateKey(stdelliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	certificate, err := selfsign.SelfSign(key)
	if err != nil {
		return err
	}
	conn, err := newMovingConn()
	if err != nil {
		return err
	}
	tellPort := func() error {
		return json.NewEncoder(os.Stdout).Encode(map[string]int{"port": conn.current().LocalAddr().(*net.UDPAddr).Port})
	}
	if err := tellPort(); err != nil {
		return err
	}
	config := configOf(certificate)
	config.PaddingLengthGenerator = func(uint) uint { return padding }
	if bytes == 0 {
		config.ConnectionIDGenerator = dtls.OnlySendCIDGenerator()
	} else if bytes > 0 {
		config.ConnectionIDGenerator = dtls.RandomCIDGenerator(bytes)
	}
	association, err := handshake(conn, peer, role == "server", config)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]bool{"connected": true}); err != nil {
		return err
	}
	go func() {
		for input := bufio.NewScanner(os.Stdin); input.Scan(); {
			if conn.Move() != nil || tellPort() != nil {
				os.Exit(1)
			}
			if _, err := association.Write(append([]byte{reloadData}, "from another port"...)); err != nil {
				os.Exit(1)
			}
		}
	}()
	return echo(association)
}

func connectionIDArguments(arguments []string) (string, *net.UDPAddr, int, uint, error) {
	if len(arguments) != 4 {
		return "", nil, 0, 0, fmt.Errorf("expected ROLE PORT BYTES PADDING")
	}
	numbers := make([]int, 3)
	for i := range numbers {
		number, err := strconv.Atoi(arguments[i+1])
		if err != nil {
			return "", nil, 0, 0, err
		}
		numbers[i] = number
	}
	peer := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: numbers[0]}
	return arguments[0], peer, numbers[1], uint(numbers[2]), nil
}
