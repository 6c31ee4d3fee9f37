package control

import (
	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/flow"
)

func socketStatus(s *flow.SocketStatus, facts Facts) *controlv1.SocketStatus {
	last := int64(-1)
	if s.Denials > 0 {
		last = int64(s.LastDenied)
	}
	return &controlv1.SocketStatus{
		Name: string(s.Def.Name), State: string(s.State), Type: s.Def.Type, Listen: s.Def.Listen,
		Addresses: s.Addresses, Owner: string(s.Def.Owner), Lifecycle: string(s.Def.Lifecycle),
		Reason: s.Reason, LastError: s.LastError, Accesses: s.Accesses, Activations: s.Activations,
		Connections: uint32(s.Connections), MaxConnections: uint32(s.MaxConnections),
		Options: s.Options, SinceUnixMicros: facts.since("socket", s.Def.Name, ""),
		Denials: &controlv1.Denials{
			Permission: s.Denials - s.Unknown, Unknown: s.Unknown, Limit: s.Refused, LastUid: last,
		},
	}
}

func serviceStatus(s flow.ServiceStatus, facts Facts) *controlv1.ServiceStatus {
	st := &controlv1.ServiceStatus{
		Name: string(s.Def.Name), State: string(s.State), Pids: numbers(s.PIDs),
		Reason: s.Reason, LastError: s.LastError, Starts: s.Starts, Restarts: s.Restarts,
		WaitsFor: texts(s.WaitsFor), Saying: s.Saying, Status: s.Status,
		SinceUnixMicros: facts.since("service", s.Def.Name, ""),
	}
	for i := range s.Instances {
		in := &s.Instances[i]
		st.Instances = append(st.Instances, &controlv1.InstanceStatus{
			Instance: in.Instance, State: string(in.State), Pids: numbers(in.PIDs),
			Reason: in.Reason, LastError: in.LastError, Starts: in.Starts, Restarts: in.Restarts,
			WaitsFor: texts(in.WaitsFor), Saying: in.Saying, Status: in.Status,
			SinceUnixMicros: facts.since("service", s.Def.Name, in.Instance),
		})
	}
	return st
}

func numbers(pids []int) []int32 {
	var list []int32
	for _, pid := range pids {
		list = append(list, int32(pid))
	}
	return list
}

func texts(names []plan.Name) []string {
	var list []string
	for _, n := range names {
		list = append(list, string(n))
	}
	return list
}
