// Command typecheck checks the types of packages, those of their tests included, for the system and processor that GOOS and
// GOARCH name. It compiles nothing, which go vet does with all that they import, the standard library included.
package main

import (
	"fmt"
	"log"
	"os"

	"golang.org/x/tools/go/packages"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("typecheck: ")
	found, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps |
			packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedTypesInfo,
		Tests: true,
	}, os.Args[1:]...)
	if err != nil {
		log.Fatal(err)
	}
	if packages.PrintErrors(found) > 0 || len(found) == 0 {
		log.Fatalf("of %d packages some are wrong", len(found))
	}
	fmt.Printf("%d packages\n", len(found))
}
