package health

// Listens reports whether the monitor is told of lendings.
func (m *Monitor) Listens() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.listening.from.IsZero()
}
