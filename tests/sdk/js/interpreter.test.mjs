// SPDX-License-Identifier: MIT
// The code interpreter's own package, on the template that it takes by itself.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Sandbox } from '@e2b/code-interpreter'
import { listener } from './common.mjs'

let sandbox
before(async () => {
  sandbox = await Sandbox.create({ timeoutMs: 120_000, envs: { EVERYWHERE: 'yes' } })
})
after(() => sandbox?.kill())

test('a cell has output, a result and what came before it', async () => {
  await sandbox.runCode('x = 40')
  const run = await sandbox.runCode("print('printed'); x + 2")
  assert.deepEqual(run.logs, { stdout: ['printed\n'], stderr: [] })
  assert.equal(run.text, '42')
  assert.equal(run.error, undefined)
  assert.equal(run.results.length, 1)
  assert.equal(run.results[0].isMainResult, true)
})

test('output, results and errors are heard as they come', async () => {
  const heard = { stdout: listener(), stderr: listener(), results: [], errors: [] }
  await sandbox.runCode("import sys\nprint('out')\nsys.stderr.write('err\\n')\ndisplay('shown')\n1/0", {
    onStdout: (message) => heard.stdout.add(message.line),
    onStderr: (message) => heard.stderr.add(message.line),
    onResult: (result) => heard.results.push(result.text),
    onError: (error) => heard.errors.push([error.name, error.value]),
  })
  assert.deepEqual([heard.stdout.text, heard.stderr.text], ['out\n', 'err\n'])
  assert.deepEqual(heard.results, ['shown'])
  assert.deepEqual(heard.errors, [['ZeroDivisionError', 'division by zero']])
})

test('an error says what and where', async () => {
  const { error } = await sandbox.runCode("def f():\n  raise ValueError('no')\nf()")
  assert.deepEqual([error.name, error.value], ['ValueError', 'no'])
  assert.match(error.traceback, /ValueError: no/)
})

test('figures, tables and markup come in their forms', async () => {
  const plot = await sandbox.runCode('import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()')
  const png = plot.results.find((result) => result.png)
  assert.equal(Buffer.from(png.png, 'base64').subarray(1, 4).toString(), 'PNG')
  const table = await sandbox.runCode("import pandas as pd\npd.DataFrame({'a': [1, 2]})")
  assert.match(table.results[0].html, /<table/)
  const html = await sandbox.runCode("from IPython.display import HTML\nHTML('<b>bold</b>')")
  assert.equal(html.results[0].html, '<b>bold</b>')
})

test('contexts keep to themselves', async () => {
  const context = await sandbox.createCodeContext({ cwd: '/tmp' })
  assert.deepEqual([context.language, context.cwd], ['python', '/tmp'])
  await sandbox.runCode('own = 1', { context })
  assert.equal((await sandbox.runCode('own', { context })).text, '1')
  assert.equal((await sandbox.runCode('own')).error.name, 'NameError')
  assert.equal((await sandbox.runCode('import os; os.getcwd()', { context })).text, '/tmp')
  assert.ok((await sandbox.listCodeContexts()).some((one) => one.id === context.id))
  await sandbox.restartCodeContext(context)
  assert.equal((await sandbox.runCode('own', { context })).error.name, 'NameError')
  await sandbox.removeCodeContext(context)
  assert.ok(!(await sandbox.listCodeContexts()).some((one) => one.id === context.id))
})

test('variables are the sandbox\'s and the cell\'s', async () => {
  assert.equal((await sandbox.runCode("import os; os.environ['EVERYWHERE']")).text, 'yes')
  const own = await sandbox.runCode("os.environ['EVERYWHERE']", { envs: { EVERYWHERE: 'here' } })
  assert.equal(own.text, 'here')
  assert.equal((await sandbox.runCode("os.environ['EVERYWHERE']")).text, 'yes')
})

test('JavaScript and bash run too', async () => {
  const script = await sandbox.runCode("console.log('from node'); 1 + 1", { language: 'js' })
  assert.deepEqual([script.logs.stdout, script.text], [['from node\n'], '2'])
  const shell = await sandbox.runCode('echo from bash', { language: 'bash' })
  assert.deepEqual(shell.logs.stdout, ['from bash\n'])
})

test('a timeout ends the wait, and the context goes on', async () => {
  await assert.rejects(sandbox.runCode('while True: pass', { timeoutMs: 500 }), /time/i)
  assert.equal((await sandbox.runCode('1 + 1')).text, '2')
})

test('files and commands are the same sandbox\'s', async () => {
  await sandbox.files.write('/home/user/data.csv', 'a,b\n1,2\n')
  const run = await sandbox.runCode("import pandas as pd; int(pd.read_csv('data.csv').b.sum())")
  assert.equal(run.text, '2')
  assert.equal((await sandbox.commands.run('wc -l < data.csv')).stdout.trim(), '2')
})
