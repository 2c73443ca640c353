// SPDX-License-Identifier: MIT
import { ApiError, ask, run, setToken } from '/api.js'
import { Files } from '/files.js'
import { Terminal } from '/terminal.js'

const at = (id) => document.getElementById(id)
const home = '/home/user'
const samples = {
  python: `import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt

for n in range(1, 6):
    print(n, "squared is", n * n, flush=True)

plt.plot([n * n for n in range(20)])
plt.savefig("squares.png")
`,
  node: `for (let n = 1; n <= 5; n++) {
  console.log(n, 'squared is', n * n)
}
`
}

let sandboxId
let running
const terminal = new Terminal(at('terminal'), at('terminal-state'))
const files = new Files(home, () => sandboxId, report)

// --- what goes wrong ---

function status(text, bad = false) {
  at('status').textContent = text
  at('status').classList.toggle('bad', bad)
}

function report(error) {
  if (error instanceof ApiError && error.status === 401) {
    signIn('That token is not the right one.')
  } else if (error instanceof TypeError) {
    status('The server cannot be reached', true)
  } else {
    status(error.message, true)
  }
}

function signIn(message) {
  status('')
  const words = at('sign-in-message')
  if (message) words.textContent = message
  words.classList.toggle('bad', Boolean(message))
  if (!at('sign-in').open) at('sign-in').showModal()
}

at('sign-in').addEventListener('close', () => {
  const given = at('token').value
  at('token').value = ''
  if (!given) {
    status('Not signed in: reload the page to try again', true) // Escape
    return
  }
  setToken(given)
  begin()
})

// --- the sandbox ---

async function begin() {
  status('making a sandbox')
  try {
    // A page that is loaded again goes on with what it had.
    const known = sessionStorage.getItem('sandbox')
    const had = known && (await ask('getInfo', { sandboxId: known }).catch((e) => {
      if (e.status === 404) return null
      throw e
    }))
    sandboxId = had ? known : (await ask('create')).sandboxId
    sessionStorage.setItem('sandbox', sandboxId)
    at('sandbox-id').textContent = sandboxId
    status('')
    await Promise.all([files.show(home), terminal.start(sandboxId)])
  } catch (error) {
    report(error)
  }
}

at('new-sandbox').addEventListener('click', async () => {
  const old = sandboxId
  sessionStorage.removeItem('sandbox')
  await ask('destroy', { sandboxId: old }).catch(report)
  terminal.id = undefined
  begin()
})

// --- running ---

function print(text, kind) {
  const output = at('output')
  const atEnd = output.scrollHeight - output.scrollTop - output.clientHeight < 40
  const last = output.lastElementChild
  if (last?.className === kind && last.tagName === 'SPAN') {
    last.append(text)
  } else {
    const span = document.createElement('span')
    span.className = kind
    span.textContent = text
    output.append(span)
  }
  if (atEnd) output.scrollTop = output.scrollHeight
}

function outcome(text, kind = '') {
  at('outcome').textContent = text
  at('outcome').className = kind
}

function onEvent(event) {
  if (event.type === 'stdout') print(event.data, 'out')
  if (event.type === 'stderr') print(event.data, 'err')
  if (event.type === 'error') {
    print(`${event.error}\n`, 'err')
    outcome('failed', 'bad')
  }
  if (event.type === 'result') {
    const { exitCode, executionTime } = event.result
    outcome(`exit ${exitCode}, ${(executionTime / 1000).toFixed(2)} s`, exitCode === 0 ? 'good' : 'bad')
  }
}

const isImage = (name) => /\.(png|jpe?g|gif|svg|webp)$/i.test(name)

async function images() {
  const { files: list } = await ask('filesystem.readdir', { sandboxId, path: home })
  return new Map(list.filter((f) => isImage(f.name)).map((f) => [f.path, f]))
}

async function showNewImages(before) {
  for (const [path, file] of await images()) {
    const old = before.get(path)
    if (old && old.lastModified === file.lastModified && old.size === file.size) continue
    const figure = document.createElement('figure')
    const image = document.createElement('img')
    const caption = document.createElement('figcaption')
    image.src = URL.createObjectURL(await files.read(path))
    image.alt = caption.textContent = file.name
    figure.append(image, caption)
    at('output').append(figure)
    await image.decode().catch(() => {})
    figure.scrollIntoView({ block: 'nearest' })
  }
}

// The button that has the focus may go: the one in its place gets it.
function showRunning(is) {
  const [gone, there] = is ? ['run', 'stop'] : ['stop', 'run']
  const focused = document.activeElement === at(gone)
  for (const suffix of ['', '-hint']) {
    at(gone + suffix).hidden = true
    at(there + suffix).hidden = false
  }
  if (focused) at(there).focus()
}

async function runCode() {
  if (running || !sandboxId) return
  running = new AbortController()
  showRunning(true)
  at('output').replaceChildren()
  outcome('running')
  try {
    const before = await images()
    const code = at('editor').value
    await run({ sandboxId, code, runtime: at('runtime').value, cwd: home }, onEvent, running.signal)
    await showNewImages(before)
    await files.refresh()
  } catch (error) {
    outcome(running.signal.aborted ? 'stopped' : 'failed', 'bad')
    if (!running.signal.aborted) report(error)
  }
  running = undefined
  showRunning(false)
}

at('run').addEventListener('click', runCode)
at('stop').addEventListener('click', () => running?.abort())

const editor = at('editor')
editor.value = samples.python
at('runtime').addEventListener('change', () => {
  if (Object.values(samples).includes(editor.value)) editor.value = samples[at('runtime').value]
})
editor.addEventListener('keydown', (event) => {
  // Escape first lets Tab leave the editor, for those who have no mouse.
  if (event.key === 'Escape') editor.dataset.leave = 'yes'
  else if (event.key === 'Tab' && !event.shiftKey && !editor.dataset.leave) {
    event.preventDefault()
    editor.setRangeText('    ', editor.selectionStart, editor.selectionEnd, 'end')
  } else delete editor.dataset.leave
})
addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !at('terminal').contains(event.target)) {
    event.preventDefault()
    runCode()
  }
  if (event.key === 'Escape' && !at('terminal').contains(event.target)) running?.abort()
  if (event.key === 'F6') {
    event.preventDefault()
    nextPane(event.shiftKey ? 2 : 1)
  }
})

// --- panes and colours ---

const panes = ['code', 'files', 'terminal']

// Where there is room for one only, the others go.
function showPane(name) {
  document.querySelector('main').dataset.pane = name
  for (const button of document.querySelectorAll('nav button')) {
    button.setAttribute('aria-pressed', String(button.dataset.pane === name))
  }
  terminal.resize()
}

function nextPane(step) {
  const now = panes.findIndex((name) => at(`${name}-pane`).contains(document.activeElement))
  const name = panes[(now + step) % panes.length]
  showPane(name)
  if (name === 'code') editor.focus()
  if (name === 'files') (document.querySelector('#files button') ?? at('refresh')).focus()
  if (name === 'terminal') terminal.view.focus()
}

for (const button of document.querySelectorAll('nav button')) {
  button.addEventListener('click', () => showPane(button.dataset.pane))
}

function setTheme(name) {
  if (name) document.documentElement.dataset.theme = name
  terminal.recolour()
}
at('theme').addEventListener('click', () => {
  const dark = document.documentElement.dataset.theme
    ? document.documentElement.dataset.theme === 'dark'
    : matchMedia('(prefers-color-scheme: dark)').matches
  const next = dark ? 'light' : 'dark'
  localStorage.setItem('theme', next)
  setTheme(next)
})
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => terminal.recolour())
setTheme(localStorage.getItem('theme'))

// For the console, and for who drives this page.
window.readTerminal = () => terminal.lines()

at('new-terminal').addEventListener('click', () => terminal.start(sandboxId).catch(report))

if (sessionStorage.getItem('token')) begin()
else signIn()
