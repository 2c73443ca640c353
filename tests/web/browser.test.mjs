// SPDX-License-Identifier: MIT
// The web example's page in a real browser: what a person does with it, and what they see.
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { after, before, beforeEach, test } from 'node:test'
import puppeteer from 'puppeteer-core'

const { E2B_WEB_URL: url, E2B_WEB_TOKEN: token, E2B_WEB_OUT: out } = process.env
const patience = { timeout: 60000 }

// Everything goes through here, so that the connection can be cut.
const sockets = new Set()
let open = true
const proxy = net.createServer((client) => {
  if (!open) return client.resetAndDestroy()
  const { hostname, port } = new URL(url)
  const server = net.connect(port, hostname)
  for (const [from, to] of [[client, server], [server, client]]) {
    sockets.add(from)
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
    from.pipe(to)
  }
})

function cut() {
  for (const socket of sockets) socket.resetAndDestroy()
}

let browser
let page
let problems

before(async () => {
  await mkdir(out, { recursive: true })
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  browser = await puppeteer.launch({
    executablePath: process.env.E2B_WEB_BROWSER,
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    userDataDir: `${out}/profile`
  })
})

after(async () => {
  await browser?.close()
  cut()
  proxy.close()
})

const address = () => `http://127.0.0.1:${proxy.address().port}/`

beforeEach(async () => {
  open = true
  await page?.close()
  page = await browser.newPage()
  problems = []
  page.on('pageerror', (error) => problems.push(error.message))
  await page.setViewport({ width: 1280, height: 800 })
})

async function enter(credential = token) {
  await page.goto(`${address()}#token=${credential}`)
}

const text = (selector) => page.$eval(selector, (element) => element.textContent)
const shows = (selector, wanted) =>
  page.waitForFunction(
    (s, w) => document.querySelector(s)?.textContent.includes(w),
    patience,
    selector,
    wanted
  )
const shot = (name) => page.screenshot({ path: `${out}/${name}.png` })

async function begin() {
  await enter()
  await page.waitForFunction(() => document.getElementById('sandbox-id').textContent !== '', patience)
}

async function write(code, runtime = 'python') {
  await page.select('#runtime', runtime)
  await page.$eval('#editor', (editor, value) => (editor.value = value), code)
}

const outcome = () =>
  page.waitForFunction(
    () => /^(exit|failed|stopped)/.test(document.getElementById('outcome').textContent),
    patience
  )

async function ask(action, members) {
  const sandboxId = await text('#sandbox-id')
  const response = await fetch(`${url}/api/compute`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}` },
    body: JSON.stringify({ action: `compute.sandbox.${action}`, sandboxId, ...members })
  })
  assert.equal(response.status, 200)
  return response.json()
}

test('Python runs, and its output is there while it still runs', async () => {
  await begin()
  await write(`import os, time
print("first", flush=True)
while not os.path.exists("/home/user/go"):
    time.sleep(0.01)
print("second")`)
  await page.click('#run')
  await shows('#output', 'first')
  assert.equal(await text('#outcome'), 'running')
  await shot('running')
  await ask('filesystem.writeFile', { path: '/home/user/go', content: 'x' })
  await shows('#output', 'second')
  await outcome()
  assert.match(await text('#outcome'), /^exit 0/)
  assert.deepEqual(problems, [])
})

test('Node.js runs by Ctrl+Enter, and errors are shown as such', async () => {
  await begin()
  await write('console.log([1, 2, 3].map((n) => n * 2).join()); console.error("oh"); process.exit(3)', 'node')
  await page.focus('#editor')
  await page.keyboard.down('Control')
  await page.keyboard.press('Enter')
  await page.keyboard.up('Control')
  await outcome()
  assert.match(await text('#output'), /2,4,6/)
  assert.equal(await text('#output .err'), 'oh\n')
  assert.match(await text('#outcome'), /^exit 3/)
})

test('a program is stopped by the button', async () => {
  await begin()
  await write('import time\nprint("up", flush=True)\ntime.sleep(1000)')
  await page.click('#run')
  await shows('#output', 'up')
  await page.click('#stop')
  await outcome()
  assert.equal(await text('#outcome'), 'stopped')
})

test('a file goes in, statistics and a chart come out', async () => {
  await begin()
  const csv = `${out}/people.csv`
  await writeFile(csv, 'name,age,city\nAda,36,London\nGrace,24,New York\nAlan,30,Paris\n')
  const input = await page.$('#upload-input')
  await input.uploadFile(csv)
  await shows('#files', 'people.csv')
  await write(`import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import pandas as pd
people = pd.read_csv("/home/user/people.csv")
print("Average age:", people["age"].mean())
people.plot.bar(x="name", y="age")
plt.savefig("ages.png")`)
  await page.click('#run')
  await shows('#output', 'Average age: 30.0')
  await page.waitForFunction(
    () => document.querySelector('#output img')?.naturalWidth > 100,
    patience
  )
  await shows('#files', 'ages.png')
  await page.$eval('#output img', (image) => image.scrollIntoView())
  await shot('chart')
  const before = await page.$$eval('#files .name', (names) => names.length)
  await page.$eval('[aria-label="Delete people.csv"]', (button) => button.click())
  await page.waitForFunction(
    (count) => document.querySelectorAll('#files .name').length === count - 1,
    patience,
    before
  )
  assert.deepEqual(problems, [])
})

// The terminal's text is in the rows that xterm.js draws.
const screen = '.xterm-rows'

async function type(line) {
  await page.click('#terminal')
  await page.keyboard.type(`${line}\n`)
}

test('a terminal is typed into, follows the size of the window, and runs python3', async () => {
  await begin()
  await shows(screen, '$')
  await type('echo $((6 * 7))')
  await shows(screen, '42')
  await type('tput cols')
  const wide = await page.waitForFunction(
    (s) => document.querySelector(s).textContent.match(/tput cols\s*(\d+)/)?.[1],
    patience,
    screen
  )
  await page.setViewport({ width: 900, height: 800 })
  await type('clear; tput cols')
  const narrow = await page.waitForFunction(
    (s, was) => {
      const now = document.querySelector(s).textContent.match(/tput cols\s*(\d+)|^(\d+)/)
      const cols = now?.[1] ?? now?.[2]
      return cols && Number(cols) < Number(was) ? cols : false
    },
    patience,
    screen,
    await wide.jsonValue()
  )
  assert.ok(Number(await narrow.jsonValue()) > 20)
  await type('python3 -q')
  await shows(screen, '>>>')
  await type('sum(range(101))')
  await shows(screen, '5050')
  await shot('terminal')
  await type('exit()')
  assert.deepEqual(problems, [])
})

test('a terminal that lost its connection comes back with nothing lost', async () => {
  await begin()
  await shows(screen, '$')
  // Counts on while nobody is connected; a sum at the end tells whether a line is missing.
  await type('for i in $(seq 1 300); do echo "line $i"; sleep 0.01; done; echo all $((299 + 1)) said')
  await shows(screen, 'line 3')
  open = false
  cut()
  await shows('#terminal-state', 'connection lost')
  await shot('lost')
  open = true
  await shows(screen, 'all 300 said')
  await page.waitForFunction(
    () => document.getElementById('terminal-state').textContent === '',
    patience
  )
  const lines = await page.evaluate(() => window.readTerminal())
  for (let i = 1; i <= 300; i++) {
    assert.equal(lines.filter((line) => line === `line ${i}`).length, 1, `line ${i}`)
  }
  await type('echo still $((40 + 2))')
  await shows(screen, 'still 42')
  assert.deepEqual(problems, [])
})

test('a wrong token is said to be wrong, and the right one is asked for', async () => {
  await enter('wrong')
  await shows('#sign-in-message', 'That token is not the right one.')
  assert.ok(await page.$eval('#sign-in', (dialog) => dialog.open))
  await shot('wrong-token')
  await page.type('#token', token)
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.getElementById('sandbox-id').textContent !== '', patience)
  await shows(screen, '$')
})

test('a page that is loaded again goes on with its sandbox', async () => {
  await begin()
  const first = await text('#sandbox-id')
  await page.reload()
  await page.waitForFunction(() => document.getElementById('sandbox-id').textContent !== '', patience)
  assert.equal(await text('#sandbox-id'), first)
})

test('on a phone one pane at a time is shown, none wider than the screen', async () => {
  await page.setViewport({ width: 390, height: 780 })
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }])
  await begin()
  for (const pane of ['code', 'files', 'terminal']) {
    await page.click(`nav [data-pane=${pane}]`)
    const visible = await page.$$eval('section', (all) =>
      all.filter((section) => section.offsetParent !== null).map((section) => section.id)
    )
    assert.deepEqual(visible, [`${pane}-pane`])
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
    await shot(`phone-${pane}`)
  }
})

test('without a mouse a program is run and stopped, and no pane is a trap', async () => {
  await begin()
  await shows(screen, '$')
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.className)
  await write('import time\nprint("up", flush=True)\ntime.sleep(1000)')
  await page.focus('#run')
  await page.keyboard.press('Enter')
  await shows('#output', 'up')
  assert.equal(await focused(), 'stop')
  await page.keyboard.press('Escape')
  await outcome()
  assert.equal(await text('#outcome'), 'stopped')
  await page.waitForFunction(() => document.activeElement.id === 'run', patience)
  // The editor takes tabs, but not after Escape.
  await page.focus('#editor')
  await page.keyboard.press('Tab')
  assert.equal(await focused(), 'editor')
  await page.keyboard.press('Escape')
  await page.keyboard.press('Tab')
  assert.equal(await focused(), 'output')
  // F6 goes round, out of the terminal too.
  await page.keyboard.press('F6')
  assert.ok(await page.$eval('#files-pane', (pane) => pane.contains(document.activeElement)))
  await page.keyboard.press('F6')
  assert.match(await focused(), /xterm/)
  await page.keyboard.type('echo $((40 + 2))\n')
  await shows(screen, '42')
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }])
  await shot('keyboard-dark')
  await page.keyboard.press('F6')
  assert.equal(await focused(), 'editor')
  assert.deepEqual(problems, [])
})

test('the list of files is walked by keyboard, and keeps its place', async () => {
  await begin()
  for (const name of ['a', 'b']) await ask('filesystem.writeFile', { path: `/home/user/${name}`, content: '' })
  await page.focus('#refresh')
  await page.keyboard.press('Enter')
  await shows('#files', 'b')
  await page.focus('[aria-label="Delete a"]')
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.querySelectorAll('#files .name').length === 1, patience)
  await page.waitForFunction(() => document.activeElement.textContent === 'b', patience)
})

test('who leaves the question for the token is told how to go on', async () => {
  await enter('wrong')
  await shows('#sign-in-message', 'That token is not the right one.')
  await page.keyboard.press('Escape')
  await shows('#status', 'Not signed in')
})
