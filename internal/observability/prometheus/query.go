package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// A Sample is a series and its value at an instant.
type Sample struct {
	Labels map[string]string
	Value  float64
}

// An Alert is one that is pending or fires.
type Alert struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	State       string            `json:"state"` // "pending" or "firing"
}

// Query asks for an expression's value at this instant.
func (s *Server) Query(ctx context.Context, expr string) ([]Sample, error) {
	var result struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
	}
	if err := s.call(ctx, "/api/v1/query?query="+url.QueryEscape(expr), &result); err != nil {
		return nil, fmt.Errorf("%s: %w", expr, err)
	}
	if result.Type != "vector" {
		return nil, fmt.Errorf("%s: a %s, not a vector", expr, result.Type)
	}
	var vector []struct {
		Metric map[string]string `json:"metric"`
		Value  [2]any            `json:"value"`
	}
	if err := json.Unmarshal(result.Result, &vector); err != nil {
		return nil, err
	}
	samples := make([]Sample, len(vector))
	for i, v := range vector {
		text, _ := v.Value[1].(string)
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", expr, err)
		}
		samples[i] = Sample{Labels: v.Metric, Value: value}
	}
	return samples, nil
}

// Exemplars returns how many exemplars the histogram of that name has had in the last minutes.
func (s *Server) Exemplars(ctx context.Context, series string) (n int, err error) {
	var result []struct {
		Exemplars []struct {
			Labels map[string]string `json:"labels"`
		} `json:"exemplars"`
	}
	now := time.Now()
	query := url.Values{
		"query": {series}, "start": {now.Add(-5 * time.Minute).Format(time.RFC3339)}, "end": {now.Add(time.Minute).Format(time.RFC3339)},
	}
	if err := s.call(ctx, "/api/v1/query_exemplars?"+query.Encode(), &result); err != nil {
		return 0, err
	}
	for _, r := range result {
		for _, e := range r.Exemplars {
			if e.Labels["trace_id"] != "" {
				n++
			}
		}
	}
	return n, nil
}

// Alerts returns the alerts that are pending or fire.
func (s *Server) Alerts(ctx context.Context) ([]Alert, error) {
	var result struct {
		Alerts []Alert `json:"alerts"`
	}
	err := s.call(ctx, "/api/v1/alerts", &result)
	return result.Alerts, err
}

// A RuleState is what became of a rule.
type RuleState struct {
	Name      string `json:"name"`
	Query     string `json:"query"`
	Health    string `json:"health"` // "ok" if it was evaluated
	LastError string `json:"lastError"`
}

// Rules returns every rule that the server has.
func (s *Server) Rules(ctx context.Context) ([]RuleState, error) {
	var result struct {
		Groups []struct {
			Rules []RuleState `json:"rules"`
		} `json:"groups"`
	}
	if err := s.call(ctx, "/api/v1/rules", &result); err != nil {
		return nil, err
	}
	var all []RuleState
	for _, g := range result.Groups {
		all = append(all, g.Rules...)
	}
	return all, nil
}

// call reads the data of an answer of the API.
func (s *Server) call(ctx context.Context, path string, data any) error {
	body, err := s.fetch(ctx, path)
	if err != nil {
		return err
	}
	answer := struct {
		Status string `json:"status"`
		Error  string `json:"error"`
		Data   any    `json:"data"`
	}{Data: data}
	if err := json.Unmarshal(body, &answer); err != nil {
		return err
	}
	if answer.Status != "success" {
		return fmt.Errorf("Prometheus: %s", answer.Error)
	}
	return nil
}
