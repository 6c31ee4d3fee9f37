package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// systemUnit returns a copy of the shipped unit file, in a folder of its own, that
// runs the rindrun of this test.
func systemUnit(t *testing.T) (path, text string) {
	t.Helper()
	shipped, err := os.ReadFile("../dist/systemd/rindrun.service")
	if err != nil {
		t.Fatal(err)
	}
	text = string(shipped)
	for _, setting := range []string{"ExecStart=", "ExecReload="} {
		const installed = "/usr/bin/rindrun "
		if !strings.Contains(text, "\n"+setting+installed) {
			t.Fatalf("the unit file does not say %s%s", setting, installed)
		}
		text = strings.Replace(text, setting+installed, setting+program("rindrun")+" ", 1)
	}
	path = filepath.Join(t.TempDir(), "rindrun.service")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path, text
}

func needSystemd(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("needs systemd-analyze")
	}
}

// The shipped unit file has no mistake that systemd itself can find.
func TestSystemdUnitVerifies(t *testing.T) {
	t.Parallel()
	needSystemd(t)
	path, _ := systemUnit(t)
	// The manual page is not installed here, so it is not looked for.
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", path).CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// So does the drop-in for a systemd that knows notify-reload.
func TestSystemdNotifyReloadVerifies(t *testing.T) {
	t.Parallel()
	needSystemd(t)
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var version int
	if _, err := fmt.Sscanf(string(out), "systemd %d", &version); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	if version < 253 {
		t.Skipf("systemd %d does not know Type=notify-reload", version)
	}
	path, _ := systemUnit(t)
	dropIn, err := os.ReadFile("../dist/systemd/notify-reload.conf")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path+".d", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path+".d", "notify-reload.conf"), dropIn, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err = exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", path).CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
}

// What the unit file says of security is what the analysis sees: what is taken
// away from services, and what they may still need.
func TestSystemdUnitSecurity(t *testing.T) {
	t.Parallel()
	needSystemd(t)
	path, _ := systemUnit(t)
	cmd := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--json=short", "--no-pager", path)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, stderr.String())
	}
	var settings []struct {
		Field    string `json:"json_field"`
		Set      *bool  `json:"set"`
		Exposure string `json:"exposure"`
	}
	if err := json.Unmarshal(out, &settings); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	set := map[string]bool{}
	for _, s := range settings {
		set[s.Field] = s.Set != nil && *s.Set
	}
	want := map[string]bool{
		"ProtectKernelModules": true, "ProtectKernelTunables": true, "ProtectHostname": true, "LockPersonality": true, "KeyringMode": true,
		"NoNewPrivileges": false, "PrivateDevices": false, "PrivateNetwork": false, "PrivateUsers": false,
		"ProtectHome": false, "RestrictRealtime": false,
	}
	for field, w := range want {
		if got, ok := set[field]; !ok || got != w {
			t.Errorf("%s: set %v (known: %v), want %v", field, got, ok, w)
		}
	}
}

// The shipped unit runs under a real systemd: the daemon is ready when systemd thinks
// so, has control groups, journals with fields, reloads, is started again after a crash,
// when nothing of its services is left, and stops in order.
func TestSystemdRunsTheUnit(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 || testing.Short() {
		t.Skip("needs root, and takes some seconds")
	}
	for _, tool := range []string{"/lib/systemd/systemd", "/usr/bin/unshare", "/usr/sbin/chroot"} {
		if _, err := os.Stat(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	src, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	top := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	t.Cleanup(func() {
		end := exec.Command("unshare", "--mount", "bash", "testdata/systemd/enter.sh", top, bin, src, "end")
		if out, err := end.CombinedOutput(); err != nil {
			t.Errorf("remove the control group: %v\n%s", err, out)
		}
	})
	cmd := exec.CommandContext(ctx, "unshare", "--pid", "--fork", "--kill-child", "--mount", "--ipc", "--uts", "--net",
		"bash", "testdata/systemd/enter.sh", top, bin, src, "begin")
	console, runErr := cmd.CombinedOutput() // its exit status is that of a power-off
	log, err := os.ReadFile(filepath.Join(top, "out", "log"))
	if err != nil {
		t.Fatalf("systemd did not come up: %v, %v\n%s", runErr, err, console)
	}
	for _, want := range []string{
		"start: ActiveState=active", "answer: hi", "service groups: 1", "journalled: 1",
		"reload: status 0", "reload: the same daemon", "reload: the same service", "reload: ActiveState=active", "answer of a new socket: hi",
		"bad reload: status 1", "bad reload: told at once", "bad reload: ActiveState=active", "answer after a bad reload: hi", "bad reload in the journal: yes",
		"killed: NRestarts=1", "killed: ActiveState=active", "killed: no service is left", "answer after the crash: hi",
		"restart: status 0", "restart: another daemon", "restart: no service is left", "answer after the restart: hi",
		"stop: Result=success", "stop: ExecMainStatus=0", "sockets left: 0", "end",
	} {
		if !strings.Contains("\n"+string(log), "\n"+want+"\n") {
			t.Errorf("it does not say %q", want)
		}
	}
	if t.Failed() {
		t.Logf("%s\n%s", log, console)
	}
}
