#!/usr/bin/env python3
"""Makes a program of each client's script by esbuild, out of the sources of the client and of what it imports: for
where npm's registry cannot be reached. What has to stand where, and at which versions: README.md.

    python3 tests/peers/javascript/bundle.py SOURCES build/peers-javascript

SOURCES are checkouts by owner and name, of which nothing is run but what the scripts import. An esbuild older than
TypeScript 5 does not know `const` before a type parameter; it says nothing at run time and is taken out of SOURCES."""
import json
import pathlib
import re
import subprocess
import sys

SCRIPTS = pathlib.Path(__file__).resolve().parent
ZOD = {"zod": "colinhacks/zod/packages/zod/src/index.ts", "zod/*": "colinhacks/zod/packages/zod/src/*/index.ts"}
SDK = "vercel/ai/packages"
CHAIN, SMITH = "langchain-ai/langchainjs/libs", "langchain-ai/langsmith-sdk/js/src"
CONST_TYPES = re.compile(r"([<,]\s*)const (?=[A-Z])")

# Of each script what an import means: a file of SOURCES, or several that are tried.
IMPORTS = {
    "openai_node": {"openai": "openai/openai-node/src/index.ts"},
    "ai_sdk": {
        **ZOD,
        "ai": f"{SDK}/ai/src/index.ts",
        **{f"@ai-sdk/{name}": f"{SDK}/{name}/src/index.ts"
           for name in ("gateway", "openai-compatible", "provider", "provider-utils")},
        "@ai-sdk/provider-utils/*": f"{SDK}/provider-utils/src/*/index.ts",
        "eventsource-parser": "rexxars/eventsource-parser/src/index.ts",
        "eventsource-parser/stream": "rexxars/eventsource-parser/src/stream.ts",
        "@workflow/serde": "stand-ins/serde.mjs", "@vercel/oidc": "stand-ins/oidc.mjs",
        "undici": "stand-ins/undici.mjs",
    },
    "langchain_js": {
        **ZOD,
        "@langchain/openai": f"{CHAIN}/providers/langchain-openai/src/index.ts",
        "@langchain/core/*": [f"{CHAIN}/langchain-core/src/*.ts", f"{CHAIN}/langchain-core/src/*/index.ts"],
        "openai": "openai/openai-node-6/src/index.ts",
        "openai/*": ["openai/openai-node-6/src/*.ts", "openai/openai-node-6/src/*/index.ts"],
        "langsmith": f"{SMITH}/index.ts", "langsmith/*": [f"{SMITH}/*.ts", f"{SMITH}/*/index.ts"],
        "js-tiktoken": "dqbd/tiktoken/js/src/index.ts", "js-tiktoken/lite": "dqbd/tiktoken/js/src/lite.ts",
        "base64-js": "beatgammit/base64-js/index.js", "mustache": "janl/mustache.js/mustache.js",
        "@cfworker/json-schema": "cfworker/cfworker/packages/json-schema/src/index.ts",
        "p-queue": "sindresorhus/p-queue/source/index.ts", "p-timeout": "sindresorhus/p-timeout/index.js",
        "eventemitter3": "primus/eventemitter3/index.js", "p-finally": "stand-ins/finally.mjs",
    },
}

# The packages whose versions are told of each.
PACKAGES = {
    "openai_node": ["openai/openai-node"],
    "ai_sdk": [f"{SDK}/ai", f"{SDK}/openai-compatible"],
    "langchain_js": [f"{CHAIN}/providers/langchain-openai", f"{CHAIN}/langchain-core", "openai/openai-node-6"],
}

# What the scripts import and do not come to, and one of a few lines.
STAND_INS = {
    "stand-ins/serde.mjs": "export const WORKFLOW_SERIALIZE = Symbol(), WORKFLOW_DESERIALIZE = Symbol();\n",
    "stand-ins/oidc.mjs": "export const getContext = () => ({}), getVercelOidcToken = async () => '';\n",
    "stand-ins/undici.mjs": "throw new Error('undici is not here');\n",
    "dqbd/tiktoken/js/src/ranks/ranks.ts": "export const TiktokenModel = '', TiktokenEncoding = '';\n",
    "stand-ins/finally.mjs": "export default (promise, call) => promise.finally(call ?? (() => {}));\n",
}
# Of modules in the older form.
REQUIRE = "import{createRequire}from'node:module';const require=createRequire(import.meta.url);"


def without_const_types(sources):
    for file in sources.glob("**/src/**/*.ts"):
        text = file.read_text()
        plain = CONST_TYPES.sub(r"\1", text)
        if plain != text:
            file.write_text(plain)


def bundle(script, sources, out):
    paths = {name: [str(sources / file) for file in ([files] if isinstance(files, str) else files)]
             for name, files in IMPORTS[script].items()}
    options = {"target": "ES2022", "moduleResolution": "node", "baseUrl": str(sources), "paths": paths,
               "useDefineForClassFields": script == "langchain_js"}  # as each is published
    config = out / f"{script}.tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": options}))
    # LangChain tells whoever traces it which version it is.
    flags = ["--bundle", "--platform=node", "--target=node20", "--format=esm", f"--banner:js={REQUIRE}",
             '--define:__PKG_VERSION__=""', f"--tsconfig={config}", "--log-level=warning"]
    subprocess.run(["esbuild", SCRIPTS / f"{script}.mjs", *flags, f"--outfile={out / script}.mjs"], check=True)


def versions_of(script, sources):
    packages = [json.loads((sources / folder / "package.json").read_text()) for folder in PACKAGES[script]]
    return ", ".join(f"{package['name']} {package['version']}" for package in packages)


def main():
    sources, out = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
    out.mkdir(parents=True, exist_ok=True)
    for name, text in STAND_INS.items():
        (sources / name).parent.mkdir(exist_ok=True)
        (sources / name).write_text(text)
    without_const_types(sources)
    for script in IMPORTS:
        bundle(script, sources, out)
    (out / "versions.json").write_text(json.dumps({script: versions_of(script, sources) for script in IMPORTS}))


if __name__ == "__main__":
    main()
