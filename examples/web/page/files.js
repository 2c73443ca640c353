// SPDX-License-Identifier: MIT
// The list of files: look, go, upload, download, delete.
import { ask } from '/api.js'

const at = (id) => document.getElementById(id)

function sizeText(bytes) {
  const units = ['B', 'KB', 'MB', 'GB']
  let unit = 0
  while (bytes >= 1000 && unit < units.length - 1) {
    bytes /= 1000
    unit++
  }
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${units[unit]}`
}

async function toBase64(blob) {
  const url = await new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.onload = () => resolve(reader.result)
    reader.onerror = () => reject(reader.error)
    reader.readAsDataURL(blob)
  })
  return url.slice(url.indexOf(',') + 1)
}

function element(tag, className, text) {
  const made = document.createElement(tag)
  made.className = className
  made.textContent = text
  return made
}

export class Files {
  constructor(directory, sandboxId, report) {
    this.directory = directory
    this.sandboxId = sandboxId
    this.report = report
    at('up').addEventListener('click', () => this.go(this.directory.replace(/\/[^/]*$/, '') || '/'))
    at('refresh').addEventListener('click', () => this.go(this.directory))
    at('upload').addEventListener('click', () => at('upload-input').click())
    at('upload-input').addEventListener('change', (event) => {
      this.upload([...event.target.files])
      event.target.value = ''
    })
    const pane = at('files-pane')
    pane.addEventListener('dragover', (event) => {
      event.preventDefault()
      pane.classList.add('dropping')
    })
    pane.addEventListener('dragleave', () => pane.classList.remove('dropping'))
    pane.addEventListener('drop', (event) => {
      event.preventDefault()
      pane.classList.remove('dropping')
      this.upload([...event.dataTransfer.files])
    })
  }

  go(directory) {
    return this.show(directory).catch(this.report)
  }

  async show(directory) {
    const { files } = await ask('filesystem.readdir', { sandboxId: this.sandboxId(), path: directory })
    this.directory = directory
    at('directory').textContent = directory
    at('up').disabled = directory === '/'
    // The list is made anew: who was in it by keyboard stays at the same place.
    const at_row = [...at('files').children].findIndex((row) => row.contains(document.activeElement))
    files.sort((a, b) => b.isDirectory - a.isDirectory || a.name.localeCompare(b.name))
    const rows = files.filter((file) => !file.name.startsWith('.')).map((file) => this.row(file))
    at('files').replaceChildren(...(rows.length > 0 ? rows : [element('li', 'empty', 'Nothing here')]))
    if (at_row >= 0) (rows[Math.min(at_row, rows.length - 1)]?.querySelector('button') ?? at('upload')).focus()
  }

  refresh() {
    return this.show(this.directory)
  }

  row(file) {
    const row = document.createElement('li')
    const name = element('button', 'name', file.isDirectory ? `${file.name}/` : file.name)
    name.title = file.isDirectory ? 'Open' : 'Download'
    name.addEventListener('click', () =>
      file.isDirectory ? this.go(file.path) : this.download(file).catch(this.report)
    )
    const remove = element('button', 'delete', '✕')
    remove.title = 'Delete'
    remove.setAttribute('aria-label', `Delete ${file.name}`)
    remove.addEventListener('click', () => this.remove(file).catch(this.report))
    row.append(name, element('span', 'size', file.isDirectory ? '' : sizeText(file.size)), remove)
    return row
  }

  async read(path) {
    const answer = await ask('filesystem.readFile', {
      sandboxId: this.sandboxId(),
      path,
      encoding: 'base64'
    })
    const type = path.toLowerCase().endsWith('.svg') ? 'image/svg+xml' : ''
    const bytes = Uint8Array.from(atob(answer.fileContent), (c) => c.charCodeAt(0))
    return new Blob([bytes], { type })
  }

  async download(file) {
    const link = document.createElement('a')
    link.href = URL.createObjectURL(await this.read(file.path))
    link.download = file.name
    link.click()
    setTimeout(() => URL.revokeObjectURL(link.href), 10000)
  }

  async upload(list) {
    try {
      for (const file of list) {
        await ask('filesystem.writeFile', {
          sandboxId: this.sandboxId(),
          path: `${this.directory === '/' ? '' : this.directory}/${file.name}`,
          content: await toBase64(file),
          encoding: 'base64'
        })
      }
      await this.refresh()
    } catch (error) {
      this.report(error)
    }
  }

  async remove(file) {
    if (file.isDirectory && !confirm(`Delete ${file.name} and all that is in it?`)) return
    await ask('filesystem.remove', { sandboxId: this.sandboxId(), path: file.path })
    await this.refresh()
  }
}
