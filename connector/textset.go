package connector

import (
	"strings"
	"sync"
	"sync/atomic"
)

// A textSet is a bounded set of texts. When it is full it begins anew. Safe for concurrent use.
type textSet struct {
	some  atomic.Bool
	mu    sync.RWMutex
	texts map[string]struct{}
}

const maxTexts = 1024

func (t *textSet) has(text string) bool {
	if !t.some.Load() {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, ok := t.texts[text]
	return ok
}

func (t *textSet) add(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.texts == nil || len(t.texts) >= maxTexts {
		t.texts = make(map[string]struct{})
	}
	t.texts[strings.Clone(text)] = struct{}{}
	t.some.Store(true)
}
