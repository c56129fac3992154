// pion/ice as the peer of an interop test: pion-ice ROLE. One JSON object a line, ours on stdout, the other's on stdin.
// Afterwards it sends "hello" on the selected pair, and every datagram it gets it sends back after "echo ".
package main

import (
	"bufio"
	"fmt"
	"os"

	"idloc/interop/pion-ice/connection"
)

func main() {
	if err := run(os.Args[1] == "controlling"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(controlling bool) error {
	conn, _, err := connection.Make(controlling, "", bufio.NewReader(os.Stdin))
	if err != nil {
		return err
	}
	if err := connection.Write(map[string]bool{"connected": true}); err != nil {
		return err
	}
	if _, err := conn.Write([]byte("hello")); err != nil {
		return err
	}
	buffer := make([]byte, 2048)
	for {
		length, err := conn.Read(buffer)
		if err != nil {
			return err
		}
		if _, err := conn.Write(append([]byte("echo "), buffer[:length]...)); err != nil {
			return err
		}
	}
}
