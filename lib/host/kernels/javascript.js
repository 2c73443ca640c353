// SPDX-License-Identifier: MIT
// The kernel of JavaScript and TypeScript (see lib/host/kernel.h): cells run one after the other in
// the global scope of this process, with `await` and `import` at their top level. Requests come on
// descriptor 3, lines of the answer go out on 4; 1 and 2 are for programs that cells start. A line
// {"interrupt": true} ends the cell that runs.
'use strict'
const fs = require('fs')
const path = require('path')
const util = require('util')
const vm = require('vm')
const { createRequire } = require('module')
const { Worker } = require('worker_threads')

const FLUSH_MS = 200
const FLUSH_CHARACTERS = 65536
const home = process.cwd()

// ---- lines to the host ----

let torn = false // an interrupt may have cut a line

function send(fields) {
  const members = Object.entries(fields).map(
    ([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`
  )
  const text = `{${members.join(', ')}}\n`.replace(
    /[\u007f-\uffff]/g,
    (unit) => '\\u' + unit.charCodeAt(0).toString(16).padStart(4, '0')
  )
  let data = Buffer.from((torn ? '\n' : '') + text, 'latin1')
  torn = true
  while (data.length > 0) data = data.subarray(fs.writeSync(4, data))
  torn = false
}

// What is printed, in the order of printing, joined until it is time to send it.
const output = { pieces: [], size: 0, since: 0, timer: null, open: false }

function flush() {
  clearTimeout(output.timer)
  output.timer = null
  const pieces = output.pieces
  output.pieces = []
  output.size = 0
  for (const [type, texts] of pieces) {
    const timestamp = new Date().toISOString().replace('Z', '000+00:00')
    send({ type, text: texts.join(''), timestamp })
  }
}

function print(type, text) {
  if (!output.open || text === '') return // what comes between cells is nobody's
  const last = output.pieces[output.pieces.length - 1]
  if (last !== undefined && last[0] === type) last[1].push(text)
  else output.pieces.push([type, [text]])
  if (output.size === 0) output.since = Date.now()
  output.size += text.length
  if (output.size >= FLUSH_CHARACTERS || Date.now() - output.since >= FLUSH_MS) flush()
  else if (output.timer === null) output.timer = setTimeout(flush, FLUSH_MS)
}

function capture(type) {
  const { StringDecoder } = require('string_decoder')
  const decoder = new StringDecoder('utf8')
  process[type].write = (chunk, encoding, done) => {
    const bytes = typeof chunk !== 'string'
    print(type, bytes ? decoder.write(Buffer.from(chunk)) : chunk)
    const callback = typeof encoding === 'function' ? encoding : done
    if (typeof callback === 'function') process.nextTick(callback)
    return true
  }
}

// ---- TypeScript ----

function findTypeScript() {
  const places = [home, '/usr/share/nodejs', '/usr/share/node_modules', '/usr/lib/node_modules',
    '/usr/local/lib/node_modules']
  for (const place of places) {
    try {
      return createRequire(place + '/')(place.includes('/nodejs') ? './typescript' : 'typescript')
    } catch {}
  }
  return null
}

let typescript
// The code without its types; null: nothing here knows TypeScript.
function stripTypes(code) {
  const strip = require('module').stripTypeScriptTypes
  if (strip !== undefined) {
    try {
      return strip(code)
    } catch (error) {
      if (error.code !== 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX') throw error
      return strip(code, { mode: 'transform' })
    }
  }
  if (typescript === undefined) typescript = findTypeScript()
  if (typescript === null) return null
  const options = { target: 'ESNext', module: 'ESNext', isolatedModules: true }
  // Imports stay, whether this cell uses them or a later one.
  if (parseInt(typescript.version) >= 5) options.verbatimModuleSyntax = true
  else Object.assign(options, { preserveValueImports: true, importsNotUsedAsValues: 'preserve' })
  const result = typescript.transpileModule(code, {
    reportDiagnostics: true,
    compilerOptions: options,
  })
  for (const { category, code: number, messageText } of result.diagnostics) {
    if (category !== typescript.DiagnosticCategory.Error || number >= 2000) continue
    throw new SyntaxError(typescript.flattenDiagnosticMessageText(messageText, '\n'))
  }
  return result.outputText.replace(/^export \{\};\n?$/m, '')
}

// ---- from a cell to a script ----

let acorn = null
try {
  acorn = require('internal/deps/acorn/acorn/dist/acorn')
} catch {}

function parse(code) {
  return acorn.parse(code, {
    ecmaVersion: 'latest',
    allowAwaitOutsideFunction: true,
    allowImportExportEverywhere: true,
  })
}

// Whether there is an `await` that belongs to the cell itself.
function awaits(node) {
  if (node === null || typeof node !== 'object') return false
  if (Array.isArray(node)) return node.some(awaits)
  if (/Function|^StaticBlock$/.test(node.type)) return false
  if (node.type === 'AwaitExpression' || (node.type === 'ForOfStatement' && node.await)) return true
  return Object.values(node).some(awaits)
}

// Calls of `import` go by a function of ours, as seen from the working directory: scripts of the vm
// module may not import everywhere.
function importEdits(node, edits) {
  if (node === null || typeof node !== 'object') return
  if (node.type === 'ImportExpression') {
    const { start } = node
    edits.push({ start, end: start + 'import'.length, text: 'globalThis.__e2b_import' })
  }
  for (const value of Object.values(node)) importEdits(value, edits)
}

function namesOf(pattern, names) {
  if (pattern === null) return
  if (pattern.type === 'Identifier') names.push(pattern.name)
  for (const { value, argument } of pattern.properties ?? []) namesOf(value ?? argument, names)
  for (const element of pattern.elements ?? []) namesOf(element, names)
  if (pattern.type === 'AssignmentPattern') namesOf(pattern.left, names)
  if (pattern.type === 'RestElement') namesOf(pattern.argument, names)
}

function importText(node, code) {
  const from = [JSON.stringify(node.source.value)]
  if (node.attributes?.length > 0)
    from.push(`{with: {${node.attributes.map((a) => code.slice(a.start, a.end)).join(', ')}}}`)
  const load = `await import(${from.join(', ')})`
  const taken = []
  let all = null
  for (const specifier of node.specifiers) {
    const local = specifier.local.name
    const imported = specifier.imported?.name ?? specifier.imported?.value ?? 'default'
    if (specifier.type === 'ImportNamespaceSpecifier') all = local
    else taken.push(`${JSON.stringify(imported)}: ${local}`)
  }
  const names = `{${taken.join(', ')}}`
  if (all !== null && taken.length > 0) return `var ${all} = ${load}, ${names} = ${all};`
  if (all !== null) return `var ${all} = ${load};`
  return taken.length > 0 ? `var ${names} = ${load};` : `${load};`
}

// Replaces pieces of the code and keeps its lines where they are.
function edit(code, edits) {
  edits.sort((a, b) => b.start - a.start)
  for (const { start, end, text } of edits) {
    const lines = code.slice(start, end).split('\n').length - text.split('\n').length
    code = code.slice(0, start) + text + '\n'.repeat(Math.max(lines, 0)) + code.slice(end)
  }
  return code
}

function withoutModules(code) {
  const edits = []
  for (const node of parse(code).body) {
    const { type, start, end } = node
    if (type === 'ImportDeclaration') edits.push({ start, end, text: importText(node, code) })
    else if (type === 'ExportNamedDeclaration' && node.declaration !== null)
      edits.push({ start, end: node.declaration.start, text: '' })
    else if (type === 'ExportDefaultDeclaration')
      edits.push({ start, end: node.declaration.start, text: '' })
    else if (type.startsWith('Export')) edits.push({ start, end, text: ';' })
  }
  return edits.length > 0 ? edit(code, edits) : code
}

// Cells declare what later cells use, and may declare it again: all of it becomes `var`.
function scriptOf(code) {
  const edits = []
  const { body } = parse(code)
  for (const node of body) {
    if (node.type === 'VariableDeclaration' && node.kind !== 'var')
      edits.push({ start: node.start, end: node.start + node.kind.length, text: 'var' })
    else if (node.type === 'ClassDeclaration') {
      edits.push({ start: node.start, end: node.start, text: `var ${node.id.name} = ` })
      edits.push({ start: node.end, end: node.end, text: ';' })
    }
  }
  importEdits(body, edits)
  return { script: edit(code, edits) }
}

// With `await` the cell is the body of a function, and what it declares is assigned to globals.
function functionOf(code) {
  const edits = []
  const names = []
  const functions = []
  const { body } = parse(code)
  const insert = (at, text) => edits.push({ start: at, end: at, text })
  for (const node of body) {
    if (node.type === 'FunctionDeclaration') functions.push(node.id.name)
    if (node.type === 'ClassDeclaration') {
      names.push(node.id.name)
      insert(node.start, `${node.id.name} = `)
      insert(node.end, ';')
    }
    if (node.type !== 'VariableDeclaration') continue
    const [first] = node.declarations
    edits.push({ start: node.start, end: first.start, text: 'void ((' })
    for (const { id, init, start, end } of node.declarations) {
      namesOf(id, names)
      if (start !== first.start) insert(start, '(')
      insert(end, init === null ? ' = undefined)' : ')')
    }
    const last = code[node.end - 1] === ';' ? node.end - 1 : node.end
    edits.push({ start: last, end: node.end, text: ');' })
  }
  const last = body[body.length - 1]
  if (last?.type === 'ExpressionStatement') {
    insert(last.start, 'return (')
    insert(last.expression.end, ')')
  }
  importEdits(body, edits)
  // Of two edits at one place the later one stands behind: they are made from the back.
  edits.forEach((one, order) => (one.order = order))
  edits.sort((a, b) => a.start - b.start || a.order - b.order)
  let text = ''
  let at = 0
  for (const one of edits) {
    const cut = code.slice(one.start, one.end)
    text += code.slice(at, one.start) + one.text + '\n'.repeat(cut.split('\n').length - 1)
    at = one.end
  }
  text += code.slice(at)
  const globals = functions.map((name) => `globalThis.${name} = ${name};`).join(' ')
  return {
    before: names.length > 0 ? `var ${names.join(', ')};` : '',
    script: `(async () => { ${globals} ${text}\n})()`,
  }
}

// What to run: a script, and one to be run before it.
function compile(cell, isTypeScript) {
  let code = cell
  if (isTypeScript) {
    code = stripTypes(cell)
    if (code === null)
      throw new Error(
        `This sandbox cannot run TypeScript: its Node.js (${process.version}) does not strip ` +
          'types, and the package "typescript" is not installed'
      )
  }
  if (acorn === null) return { script: code }
  // An object literal, not a block.
  if (/^\s*\{/.test(code) && !/;\s*$/.test(code)) {
    try {
      parse(`(${code}\n)`)
      code = `(${code}\n)`
    } catch {}
  }
  try {
    code = withoutModules(code)
    return awaits(parse(code)) ? functionOf(code) : scriptOf(code)
  } catch (error) {
    if (isTypeScript) return { script: code } // Node.js words its errors better
    let stripped = null
    try {
      stripped = stripTypes(cell)
    } catch {}
    if (stripped === null || stripped === cell) return { script: code }
    return compile(stripped, false)
  }
}

// ---- interrupting ----

// Only SIGINT ends code that does not return, and only while Node.js looks out for it; at any other
// time, also while it begins or ceases to, the signal ends the process. So a thread of its own
// reads the requests, and sends the signal when this state allows it. What runs after an `await` is
// not on the stack of the cell: it can only be interrupted where it awaits again.
const IDLE = 0
const RUNNING = 1 // on the stack: SIGINT ends it
const SIGNALLED = 2 // it will
const BETWEEN = 3
const AWAITING = 4
const shared = new Int32Array(new SharedArrayBuffer(8)) // state; whether an interrupt was asked for
process.on('SIGINT', () => {})

function relay() {
  const { parentPort, workerData } = require('worker_threads')
  const { shared, RUNNING, SIGNALLED, AWAITING } = workerData
  function interrupt() {
    Atomics.store(shared, 1, 1)
    const state = Atomics.compareExchange(shared, 0, RUNNING, SIGNALLED)
    parentPort.postMessage({ interrupt: true })
    // To the group: programs that the cell started are in it.
    if (state === RUNNING || state === AWAITING) process.kill(-process.pid, 'SIGINT')
  }
  let waiting = []
  const input = new (require('net').Socket)({ fd: 3, readable: true, writable: false })
  input.on('data', (data) => {
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10)) {
      const request = JSON.parse(Buffer.concat([...waiting, data.subarray(0, end)]).toString())
      waiting = []
      data = data.subarray(end + 1)
      if (request.interrupt) interrupt()
      else parentPort.postMessage(request)
    }
    if (data.length > 0) waiting.push(data)
  })
}

let interruptAwait = null

const gate = new vm.Script('globalThis.__e2b_entry()')
function interruptible(entry) {
  const value = () => {
    Atomics.store(shared, 0, RUNNING)
    try {
      return entry()
    } finally {
      // The signal is on its way.
      if (Atomics.compareExchange(shared, 0, RUNNING, BETWEEN) !== RUNNING) for (;;);
    }
  }
  Object.defineProperty(globalThis, '__e2b_entry', { value, configurable: true })
  return gate.runInThisContext({ breakOnSigint: true })
}

async function awaited(value) {
  const interrupted = new Promise((_, reject) => (interruptAwait = reject))
  Atomics.store(shared, 0, AWAITING)
  if (Atomics.load(shared, 1) !== 0) interruptAwait(new Error('interrupted'))
  return Promise.race([value, interrupted])
}

function calm() {
  interruptAwait = null
  Atomics.store(shared, 0, IDLE)
  Atomics.store(shared, 1, 0)
}

// ---- running ----

// A specifier like ./module.mjs is meant from the working directory.
function importFrom(specifier, options) {
  const local = /^\.{0,2}\//.test(specifier)
  const target = local ? require('url').pathToFileURL(path.resolve(specifier)).href : specifier
  return options === undefined ? import(target) : import(target, options)
}

function runScript(script, filename) {
  const importModuleDynamically = vm.constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER
  return new vm.Script(script, { filename, importModuleDynamically }).runInThisContext()
}

async function runCell({ before, script }, begin, filename) {
  const value = interruptible(() => {
    begin()
    if (before) runScript(before, filename)
    return runScript(script, filename)
  })
  const result = await awaited(value)
  flush()
  const text = util.inspect(result)
  const quoted = /^(['"])[^]*\1$/.test(text) && text.length > 1
  send({
    type: 'result',
    text: quoted ? text.slice(1, -1) : text,
    extra: {},
    is_main_result: true,
  })
}

function stackOf(error) {
  const lines = String(error.stack ?? error).split('\n')
  const ours = lines.findIndex(
    (line) => line.includes('node:vm') || line.includes('[eval]')
  )
  return (ours > 0 ? lines.slice(0, ours) : lines).join('\n')
}

function wordsOf(error) {
  const real = util.types.isNativeError(error) || error instanceof Error
  return {
    name: real ? String(error.name) : 'Error',
    value: real ? String(error.message) : util.inspect(error),
    traceback: real ? stackOf(error) : util.inspect(error),
  }
}

function sendError(error) {
  flush()
  let words
  try {
    words = wordsOf(error)
  } catch {
    // Its members are the cell's code too; whatever they do, the cell has an end.
    words = { name: 'Error', value: '<the error cannot be shown>', traceback: '' }
  }
  send({ type: 'error', ...words })
}

let count = 0
async function execute({ code, typescript: isTypeScript, env_vars: variables }) {
  const before = {}
  const blank = code.trim() === ''
  if (!blank) count++
  const begin = () => {
    output.open = true
    send({ type: 'number_of_executions', execution_count: count })
  }
  let program
  try {
    program = blank ? null : compile(code, isTypeScript === true)
  } catch (error) {
    begin()
    sendError(error)
  }
  for (const [name, value] of Object.entries(variables ?? {})) {
    before[name] = process.env[name]
    process.env[name] = value
  }
  try {
    if (blank) begin()
    else if (program) await runCell(program, begin, path.join(process.cwd(), `[cell ${count}]`))
  } catch (error) {
    sendError(error)
  }
  calm()
  for (const [name, value] of Object.entries(before)) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
  flush()
  output.open = false
  send({ type: 'end_of_execution' })
}

function main() {
  capture('stdout')
  capture('stderr')
  const require = createRequire(path.join(home, 'cell.js'))
  Object.assign(globalThis, { require, module: { exports: {} }, exports: {} })
  Object.defineProperty(globalThis, '__e2b_import', { value: importFrom })
  process.argv.length = 1
  // What goes wrong outside of a cell's own flow must not end the kernel.
  for (const event of ['uncaughtException', 'unhandledRejection'])
    process.on(event, (error) => print('stderr', `Uncaught ${util.inspect(error)}\n`))
  process.on('exit', flush)
  process.removeAllListeners('warning')
  process.on('warning', (warning) => {
    if (warning.name !== 'ExperimentalWarning')
      print('stderr', `(node:${process.pid}) ${warning.name}: ${warning.message}\n`)
  })
  const workerData = { shared, RUNNING, SIGNALLED, AWAITING }
  const worker = new Worker(`(${relay})()`, { eval: true, workerData })
  worker.on('message', (request) => {
    if (request.interrupt) interruptAwait?.(new Error('interrupted'))
    else execute(request)
  })
  worker.on('exit', () => process.exit(0))
  send({ type: 'ready' })
}

main()
