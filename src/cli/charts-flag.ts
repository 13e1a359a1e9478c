/** What `--charts` does, of every command that writes a page. */
export const chartsHelp =
  'write every chart of the page for documents, too: as SVG and PDF 84 and 174 mm wide (one column, two), and its data as CSV'
