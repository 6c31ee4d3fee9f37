package action

import (
	"github.com/rind-sockets/rind/compiler/unit"
	"github.com/rind-sockets/rind/plan"
)

var exec = Action{
	Key:     "exec",
	Also:    []string{"args"},
	Doc:     "runs a program with arguments, without a shell",
	Example: `{ exec = "/usr/bin/logger", args = ["-t", "web", "somebody is there"] }`,
	value:   func(t unit.Trigger) unit.String { return t.Exec },
	lower: func(c context, t unit.Trigger) (plan.Action, bool) {
		ok := c.command(t.Exec, t.Args, CheckExec)
		a := plan.Action{Do: plan.OpExec, Command: t.Exec.Value}
		for _, arg := range t.Args.Items {
			a.Args = append(a.Args, arg.Value)
		}
		return a, ok
	},
}
