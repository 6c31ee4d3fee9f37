package e2e

import (
	"slices"
	"strings"
	"testing"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
)

// instances returns the state of each instance of a service.
func (b *bed) instances(name string) map[string]string {
	b.t.Helper()
	states := map[string]string{}
	for _, in := range b.service(name).Instances {
		states[in.Instance] = in.State
	}
	return states
}

// awaitInstance waits until an instance of a service is in a state, "" if it is to
// be gone.
func (b *bed) awaitInstance(name, instance, state string) {
	b.t.Helper()
	b.await(name+"["+instance+"] is "+state, func(st *controlv1.StatusResponse) bool {
		list := b.serviceOf(st, name).Instances
		i := slices.IndexFunc(list, func(in *controlv1.InstanceStatus) bool { return in.Instance == instance })
		return i < 0 && state == "" || i >= 0 && list[i].State == state
	})
}

func TestServiceForEachBranch(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- net.toml --
[[state]]
name = "link"
payload = "json"
branch = ["name"]

[[service]]
name = "dhcp"
run = { exec = "$PROBE", args = ["-id", "dhcp", "-report", "$REPORT"] }
branching = { source-state = "link", key = "name", max-instances = 2 }
`)
	b.do("set-state", "net@link", `{"name":"eth0"}`)
	first := b.nextReport("dhcp")
	if first.Env["RIND_INSTANCE"] != "eth0" || first.Env["RIND_BRANCH_KEY"] != "eth0" {
		t.Errorf("RIND_INSTANCE=%q RIND_BRANCH_KEY=%q", first.Env["RIND_INSTANCE"], first.Env["RIND_BRANCH_KEY"])
	}
	b.do("set-state", "net@link", `{"name":"eth1"}`)
	b.nextReport("dhcp")
	b.awaitInstance("net@dhcp", "eth1", "active")

	// There is no room for a third one, until another one ends.
	b.do("set-state", "net@link", `{"name":"eth2"}`)
	b.awaitInstance("net@dhcp", "eth2", "inactive")
	b.refused("failed: max-instances is 2", "start", "service", "net@dhcp[eth2]")
	b.do("remove-state", "net@link", `{"name":"eth0"}`)
	if third := b.nextReport("dhcp"); third.Env["RIND_INSTANCE"] != "eth2" {
		t.Errorf("RIND_INSTANCE=%q, want eth2", third.Env["RIND_INSTANCE"])
	}
	b.awaitInstance("net@dhcp", "eth0", "")
	if alive(t, first.PID) {
		t.Error("the instance outlives its branch")
	}

	b.do("stop", "dhcp[eth1]")
	b.awaitInstance("net@dhcp", "eth1", "inactive")
	if got := b.do("status", "dhcp"); !strings.Contains(got, "net@dhcp[eth1]") {
		t.Errorf("the status does not show the instances:\n%s", got)
	}
	b.do("stop", "dhcp")
	for name, state := range b.instances("net@dhcp") {
		if state != "inactive" {
			t.Errorf("instance %s is %s after all were stopped", name, state)
		}
	}
}

func TestServiceAfterAnother(t *testing.T) {
	t.Parallel()
	b := run(t, `
-- app.toml --
[[variable]]
name = "web-command"
default = { exec = "$PROBE", args = ["-id", "web", "-report", "$REPORT"], env = { LEVEL = "7" } }

[[socket]]
name = "http"
type = "tcp"
listen = "$IP:7001"
owner = "web"
lifecycle = "owned"

[[service]]
name = "db"
run = { exec = "$PROBE", args = ["-id", "db", "-report", "$REPORT"] }

[[service]]
name = "web"
run = { variable = "web-command" }
after = ["db"]
`)
	b.refused("failed: it waits for service app@db, which is inactive", "start", "service", "app@web")
	if got := b.service("app@web"); got.State != "waiting" || !slices.Equal(got.WaitsFor, []string{"app@db"}) {
		t.Errorf("the service is %s and waits for %v", got.State, got.WaitsFor)
	}
	b.checkSocket("app@http", "held")
	b.do("start", "app@db")
	// The one is active as soon as it runs, so the other may be the first to report.
	reports := b.nextReports("db", "web")
	db, web := reports["db"], reports["web"]
	if web.Env["LEVEL"] != "7" {
		t.Errorf("LEVEL=%q, want that of the variable", web.Env["LEVEL"])
	}
	checkInheritance(t, web, "http")
	if got := b.must("tcp", b.ip+":7001", "echo here"); got != "here" {
		t.Errorf("the answer is %q", got)
	}

	// The end of the one is the end of the other, and so is its return.
	b.do("stop", "app@db")
	if alive(t, web.PID) || alive(t, db.PID) {
		t.Error("a service outlives the stop of what it comes after")
	}
	b.awaitService("app@web", "waiting")
	b.do("start", "app@db")
	b.nextReports("db", "web")
	b.awaitService("app@web", "active")
	b.do("stop", "app@web")
	b.do("stop", "app@db")
	b.do("start", "app@db")
	b.nextReport("db")
	if got := b.service("app@web").State; got != "inactive" {
		t.Errorf("the service is %s, although it was stopped", got)
	}
}

func TestS88EveryInstanceOfTheOwnerCounts(t *testing.T) {
	t.Parallel()
	b := run(t, oneOwner(`lifecycle = "owned"`, probeService+"\nsingleton = false"))
	b.must("tcp", b.ip+":7001", "id")
	first := b.nextReport("app")
	checkInheritance(t, first, "http")
	b.do("start", "web@app")
	second := b.nextReport("app")
	checkInheritance(t, second, "http")
	if first.Env["RIND_INSTANCE"] != "1" || second.Env["RIND_INSTANCE"] != "2" {
		t.Errorf("RIND_INSTANCE=%q and %q, want 1 and 2", first.Env["RIND_INSTANCE"], second.Env["RIND_INSTANCE"])
	}
	b.checkSocket("web@http", "held")
	b.do("stop", "web@app[1]")
	b.checkSocket("web@http", "held")
	if got := b.must("tcp", b.ip+":7001", "echo still"); got != "still" {
		t.Errorf("the answer is %q", got)
	}
	b.do("stop", "web@app")
	b.awaitSocket("web@http", "listening")
	b.must("tcp", b.ip+":7001", "id")
	if third := b.nextReport("app"); third.Env["RIND_INSTANCE"] != "3" {
		t.Errorf("RIND_INSTANCE=%q, want 3", third.Env["RIND_INSTANCE"])
	}
}
