package daemon

import (
	"bytes"
	"encoding/binary"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	controlv1 "github.com/rind-sockets/rind/api/rind/control/v1"
	"github.com/rind-sockets/rind/plan"
	"github.com/rind-sockets/rind/runtime/control"
)

// guardedPlan has a path that nobody may connect to but root.
func guardedPlan() *plan.Plan {
	return &plan.Plan{
		Permissions: []plan.Permission{{Name: "t@few", ID: 2000}},
		Sockets: []plan.Socket{{
			Name: "t@path", Type: "uds", Listen: "path.sock", Lifecycle: plan.Managed, Enabled: true, FDName: "path",
			Permissions: []uint16{2000},
		}},
	}
}

// listed reports whether the access control list of a path has an entry for a user.
func listed(t *testing.T, path string, uid uint32) bool {
	t.Helper()
	list := make([]byte, 1<<16)
	n, err := unix.Lgetxattr(path, "system.posix_acl_access", list)
	must(t, err)
	entry := binary.LittleEndian.AppendUint32([]byte{2, 0, 6, 0}, uid)
	return bytes.Contains(list[:n], entry)
}

func (b *bed) grant(permission, user string) *controlv1.GrantResult {
	b.t.Helper()
	resp, err := b.client.Grant(b.t.Context(), &controlv1.GrantRequest{Permission: permission, User: user})
	must(b.t, err)
	return resp.GetResult()
}

func (b *bed) revoke(permission, user string) *controlv1.GrantResult {
	b.t.Helper()
	resp, err := b.client.Revoke(b.t.Context(), &controlv1.RevokeRequest{Permission: permission, User: user})
	must(b.t, err)
	return resp.GetResult()
}

func TestGrantWithoutStateDir(t *testing.T) {
	b := run(t, guardedPlan())
	r := b.grant("few", "4003")
	if r.GetLasting() || !r.GetChanged() || len(r.GetProblems()) > 0 || !listed(t, b.file("sock/path.sock"), 4003) {
		t.Errorf("Grant = %v, want a change that ends with the daemon, and 4003 in the list", r)
	}
}

// A list that cannot be changed is a problem of the answer. The node of this one is
// gone, so the socket is bound anew, and follows then.
func TestGrantAndANodeThatIsGone(t *testing.T) {
	b := run(t, guardedPlan())
	path := b.file("sock/path.sock")
	must(t, os.Rename(path, path+".old"))
	r := b.grant("few", "4003")
	for _, problem := range r.GetProblems() { // none if the socket was bound anew before
		if !strings.HasPrefix(problem, "socket t@path: who may connect to it has not changed, stop and start it to try again: restrict ") {
			t.Errorf("Grant = %v, want a problem with the socket", r)
		}
	}
	b.await("the socket is bound anew", func(*controlv1.StatusResponse) bool {
		return strings.Contains(b.socket("t@path").GetReason(), "bound anew")
	})
	b.await("the new node follows", func(*controlv1.StatusResponse) bool { return listed(t, path, 4003) })
	must(t, os.Remove(path+".old")) // whoever renames a node has it
	if r = b.grant("few", "4004"); len(r.GetProblems()) != 0 || !listed(t, path, 4003) || !listed(t, path, 4004) {
		t.Errorf("Grant = %v, want both users in the list", r)
	}
}

func TestGrantsAreBounded(t *testing.T) {
	b := newBed(t, guardedPlan())
	d := &daemon{opts: b.opts}
	d.reloads.current, d.reloads.turn = b.opts.Plan, make(chan struct{}, 1)
	var g plan.Grant
	for id := range uint32(maxGrants) {
		g.Users = append(g.Users, 10_000+id)
	}
	d.setGrant("t@few", g)
	_, err := d.grant(t.Context(), grantOf("few", "4003"))
	if err == nil || !strings.Contains(err.Error(), "put the users into a group") {
		t.Errorf("error = %v, want the remedy", err)
	}
}

// A socket that is opened while a permission changes ends up with the last answer.
func TestGrantsWhileASocketIsOpened(t *testing.T) {
	b := run(t, guardedPlan())
	done := make(chan error, 1)
	go func() {
		for range 20 {
			if _, err := b.client.Stop(t.Context(), &controlv1.StopRequest{Names: []string{"path"}}); err != nil {
				done <- err
				return
			}
			if _, err := b.client.Start(t.Context(), &controlv1.StartRequest{Names: []string{"path"}}); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for changing := true; changing; {
		b.grant("few", "4003")
		b.revoke("few", "4003")
		select {
		case err := <-done:
			must(t, err)
			changing = false
		default:
		}
	}
	b.grant("few", "4003")
	if !listed(t, b.file("sock/path.sock"), 4003) {
		t.Error("4003 was granted the permission and is not in the list")
	}
	b.revoke("few", "4003")
	if listed(t, b.file("sock/path.sock"), 4003) {
		t.Error("the permission was revoked from 4003, who is in the list")
	}
}

func grantOf(permission plan.Name, user string) control.Grant {
	return control.Grant{Permission: "t@" + permission, User: user}
}
