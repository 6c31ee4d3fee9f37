package plan

import "github.com/rind-sockets/rind/plan/cond"

// Op is what an action does. The set is closed: rindc lowers every trigger to
// one of these, and the engine knows no other.
type Op string

// Operations.
const (
	OpScript       Op = "script"        // run Command through /bin/sh -c
	OpExec         Op = "exec"          // run Command with Args
	OpSetState     Op = "set-state"     // set Target to Payload
	OpRemoveState  Op = "remove-state"  // remove the branches of Target that satisfy Filter
	OpEmit         Op = "emit"          // emit the signal Target with Payload
	OpStartService Op = "start-service" // start the service Target
	OpStopService  Op = "stop-service"
	OpStartSocket  Op = "start-socket" // start the socket Target
	OpStopSocket   Op = "stop-socket"
	OpStartTimer   Op = "start-timer" // start the timer Target
	OpStopTimer    Op = "stop-timer"
)

// Ops lists every operation.
var Ops = []Op{
	OpScript, OpExec, OpSetState, OpRemoveState, OpEmit,
	OpStartService, OpStopService, OpStartSocket, OpStopSocket, OpStartTimer, OpStopTimer,
}

// Action is one step of a trigger list.
type Action struct {
	Do      Op          `json:"do"`
	Command string      `json:"command,omitempty"`
	Args    []string    `json:"args,omitempty"`
	Target  Name        `json:"target,omitempty"`
	Payload *cond.Value `json:"payload,omitempty"` // of set-state and emit

	// Template is the payload of set-state and emit in place of a literal.
	Template *Template `json:"template,omitempty"`

	Filter *cond.Guard `json:"filter,omitempty"` // remove-state; nil: all branches
}
