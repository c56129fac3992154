// pion/ice as the peer of an interop test: pion-ice ROLE. One JSON object a line, ours on stdout, the other's on stdin.
// Afterwards it sends "hello" on the selected pair, and every datagram it gets it sends back after "echo ".
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/pion/ice/v4"
)

type parameters struct {
	Ufrag      string   `json:"ufrag"`
	Pwd        string   `json:"pwd"`
	Candidates []string `json:"candidates"`
}

func main() {
	if err := run(os.Args[1] == "controlling"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(controlling bool) error {
	agent, err := ice.NewAgent(&ice.AgentConfig{
		NetworkTypes:     []ice.NetworkType{ice.NetworkTypeUDP4},
		CandidateTypes:   []ice.CandidateType{ice.CandidateTypeHost},
		IncludeLoopback:  true,
		InterfaceFilter:  func(name string) bool { return name == "lo" },
		MulticastDNSMode: ice.MulticastDNSModeDisabled,
	})
	if err != nil {
		return err
	}
	gathered := make(chan []string, 1)
	var candidates []string
	if err := agent.OnCandidate(func(candidate ice.Candidate) {
		if candidate == nil {
			gathered <- candidates
			return
		}
		candidates = append(candidates, "candidate:"+candidate.Marshal())
	}); err != nil {
		return err
	}
	if err := agent.GatherCandidates(); err != nil {
		return err
	}
	ufrag, pwd, err := agent.GetLocalUserCredentials()
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(parameters{ufrag, pwd, <-gathered}); err != nil {
		return err
	}

	line, err := bufio.NewReader(os.Stdin).ReadBytes('\n')
	if err != nil {
		return err
	}
	var remote parameters
	if err := json.Unmarshal(line, &remote); err != nil {
		return err
	}
	for _, text := range remote.Candidates {
		candidate, err := ice.UnmarshalCandidate(text)
		if err != nil {
			return err
		}
		if err := agent.AddRemoteCandidate(candidate); err != nil {
			return err
		}
	}
	connect := agent.Accept
	if controlling {
		connect = agent.Dial
	}
	connection, err := connect(context.Background(), remote.Ufrag, remote.Pwd)
	if err != nil {
		return err
	}
	fmt.Println(`{"connected":true}`)
	if _, err := connection.Write([]byte("hello")); err != nil {
		return err
	}
	buffer := make([]byte, 2048)
	for {
		length, err := connection.Read(buffer)
		if err != nil {
			return err
		}
		if _, err := connection.Write(append([]byte("echo "), buffer[:length]...)); err != nil {
			return err
		}
	}
}
