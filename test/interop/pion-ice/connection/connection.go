// Package connection makes an ICE connection of pion/ice over loopback. Parameters cross stdout and stdin, one JSON object a line.
package connection

import (
	"bufio"
	"context"
	"encoding/json"
	"os"

	"github.com/pion/ice/v4"
)

// Parameters are one side's, in the words of SDP. A fingerprint (SHA-256, hexadecimal) is there when DTLS follows.
type Parameters struct {
	Ufrag       string   `json:"ufrag"`
	Pwd         string   `json:"pwd"`
	Candidates  []string `json:"candidates"`
	Fingerprint string   `json:"fingerprint,omitempty"`
}

// Write puts one JSON object on stdout.
func Write(value any) error {
	return json.NewEncoder(os.Stdout).Encode(value)
}

// Make writes our parameters, reads the other's from input and returns when a pair is selected.
func Make(controlling bool, fingerprint string, input *bufio.Reader) (*ice.Conn, Parameters, error) {
	var remote Parameters
	agent, err := ice.NewAgent(&ice.AgentConfig{
		NetworkTypes:     []ice.NetworkType{ice.NetworkTypeUDP4},
		CandidateTypes:   []ice.CandidateType{ice.CandidateTypeHost},
		IncludeLoopback:  true,
		InterfaceFilter:  func(name string) bool { return name == "lo" },
		MulticastDNSMode: ice.MulticastDNSModeDisabled,
	})
	if err != nil {
		return nil, remote, err
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
		return nil, remote, err
	}
	if err := agent.GatherCandidates(); err != nil {
		return nil, remote, err
	}
	ufrag, pwd, err := agent.GetLocalUserCredentials()
	if err != nil {
		return nil, remote, err
	}
	if err := Write(Parameters{ufrag, pwd, <-gathered, fingerprint}); err != nil {
		return nil, remote, err
	}

	line, err := input.ReadBytes('\n')
	if err != nil {
		return nil, remote, err
	}
	if err := json.Unmarshal(line, &remote); err != nil {
		return nil, remote, err
	}
	for _, text := range remote.Candidates {
		candidate, err := ice.UnmarshalCandidate(text)
		if err != nil {
			return nil, remote, err
		}
		if err := agent.AddRemoteCandidate(candidate); err != nil {
			return nil, remote, err
		}
	}
	connect := agent.Accept
	if controlling {
		connect = agent.Dial
	}
	connection, err := connect(context.Background(), remote.Ufrag, remote.Pwd)
	return connection, remote, err
}
