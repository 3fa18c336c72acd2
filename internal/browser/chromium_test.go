package browser_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long the page may take to show what a test waits for. The machine may be busy.
const patience = 30 * time.Second

// chromium is the browser of this test binary, which TestMain ends.
var chromium struct {
	sync.Once
	ctx    context.Context
	cancel func()
	err    error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if chromium.cancel != nil {
		chromium.cancel()
	}
	os.Exit(code)
}

// findChromium returns the program.
func findChromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", errors.New(`no Chromium found for the tests. It has to be on the PATH:
  - Debian: apt-get install chromium
  - Fedora: dnf install chromium
  - macOS: brew install --cask chromium
  - or Google Chrome, as google-chrome`)
}

func startChromium() {
	program, err := findChromium()
	if err != nil {
		chromium.err = err
		return
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.DisableGPU)
	if os.Geteuid() == 0 {
		flags = append(flags, chromedp.NoSandbox) // Chromium does not make one for root
	}
	alloc, cancelAlloc := chromedp.NewExecAllocator(context.Background(), flags...)
	ctx, cancel := chromedp.NewContext(alloc)
	chromium.ctx, chromium.cancel = ctx, func() {
		cancel()
		cancelAlloc()
	}
	chromium.err = chromedp.Run(ctx)
}

// A tab is one of the browser's, which is closed with the test. The test fails if the page complains of anything: an
// exception, a line on its console, something that its policy forbade.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu         sync.Mutex
	complaints []string
}

// open opens a tab that is so wide and high.
func open(t *testing.T, width, height int64, actions ...chromedp.Action) *tab {
	t.Helper()
	chromium.Do(startChromium)
	if chromium.err != nil {
		t.Fatal(chromium.err)
	}
	ctx, cancel := chromedp.NewContext(chromium.ctx)
	b := &tab{t: t, ctx: ctx}
	chromedp.ListenTarget(ctx, b.listen)
	t.Cleanup(func() {
		t.Helper()
		b.checkComplaints()
		cancel()
	})
	b.run(log.Enable(), emulation.SetDeviceMetricsOverride(width, height, 1, width < 600))
	b.run(actions...)
	return b
}

func (b *tab) listen(event any) {
	complain := func(format string, args ...any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.complaints = append(b.complaints, fmt.Sprintf(format, args...))
	}
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		complain("exception: %s", e.ExceptionDetails.Error())
	case *runtime.EventConsoleAPICalled:
		var said []string
		for _, arg := range e.Args {
			said = append(said, string(arg.Value))
		}
		complain("console: %s %s", e.Type, strings.Join(said, " "))
	case *log.EventEntryAdded:
		complain("%s %s: %s %s", e.Entry.Source, e.Entry.Level, e.Entry.Text, e.Entry.URL)
	}
}

func (b *tab) checkComplaints() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.complaints {
		b.t.Errorf("the page complains: %s", c)
	}
}

// forgive forgets complaints that have one of these in them, which the test has brought about.
func (b *tab) forgive(parts ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var left []string
	for _, c := range b.complaints {
		expected := false
		for _, part := range parts {
			expected = expected || strings.Contains(c, part)
		}
		if !expected {
			left = append(left, c)
		}
	}
	b.complaints = left
}

// run does something in the tab.
func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// visit opens the page and waits until it shows something.
func (b *tab) visit(url string) {
	b.t.Helper()
	b.run(chromedp.Navigate(url))
	b.await(`!document.getElementById('main').hidden`)
}

// eval returns what an expression of JavaScript is.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	var value T
	if err := chromedp.Run(b.ctx, chromedp.Evaluate(expression, &value)); err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// await waits until an expression of JavaScript is true.
func (b *tab) await(expression string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var so bool
		if err := chromedp.Run(b.ctx, chromedp.Evaluate(expression, &so)); err == nil && so { // it fails between two documents
			return
		}
		if time.Now().After(deadline) {
			b.shoot("failed-" + b.t.Name())
			b.t.Fatalf("%s did not come about; the page shows\n%s", expression, b.text("body"))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// text is what a person reads there.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

// shoot keeps a picture of the whole page, if pictures are asked for.
func (b *tab) shoot(name string) {
	b.t.Helper()
	folder := os.Getenv("POOLSQL_SCREENSHOTS")
	if folder == "" {
		return
	}
	var picture []byte
	b.run(chromedp.ActionFunc(func(ctx context.Context) (err error) {
		picture, err = page.CaptureScreenshot().WithCaptureBeyondViewport(true).Do(ctx)
		return err
	}))
	name = strings.ReplaceAll(name, "/", "-") + ".png"
	if err := os.WriteFile(filepath.Join(folder, name), picture, 0o600); err != nil {
		b.t.Error(err)
	}
}

// prefers has the page see what its user prefers: names of features, each with its value.
func prefers(features ...string) chromedp.Action {
	var list []*emulation.MediaFeature
	for i := 0; i < len(features); i += 2 {
		list = append(list, &emulation.MediaFeature{Name: features[i], Value: features[i+1]})
	}
	return emulation.SetEmulatedMedia().WithFeatures(list)
}
