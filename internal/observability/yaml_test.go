package observability_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"go.yaml.in/yaml/v3"
)

var yamlBlock = regexp.MustCompile("(?ms)^ *```yaml\n(.*?)^ *```")

// TestYAMLOfThePagesIsRead reads the blocks that readers copy to Kubernetes and to Alertmanager.
func TestYAMLOfThePagesIsRead(t *testing.T) {
	read := 0
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		pages, err := filepath.Glob(filepath.Join(root(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, page := range pages {
			text, err := os.ReadFile(page)
			if err != nil {
				t.Fatal(err)
			}
			for _, block := range yamlBlock.FindAllSubmatch(text, -1) {
				read++
				var content map[string]any
				if err := yaml.Unmarshal(block[1], &content); err != nil || len(content) == 0 {
					t.Errorf("%s: %v, %v", page, content, err)
				}
			}
		}
	}
	if read < 3 {
		t.Errorf("read %d blocks", read)
	}
}
