// What of Kubernetes objects the API's types do not have: a mistyped field is no error to a cluster, it is left out there. Asks the
// compiler, which knows the types of kubernetes-models.

import { join } from 'node:path';
import ts from 'typescript';
import type { KubernetesObject } from './kustomize.ts';

/** The compiler's word on each field that does not exist or has a value of another type. */
export function unknownFields(objects: readonly KubernetesObject[]): string[] {
  const name = join(import.meta.dirname, 'rendered-objects.ts');
  const text = objects
    .map((object, index) => {
      const type = `import('kubernetes-models/${object.apiVersion}/${object.kind}').I${object.kind}`;
      return `export const object${index}: ${type} = ${JSON.stringify(object)};`;
    })
    .join('\n');
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    target: ts.ScriptTarget.ES2022,
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: [],
    lib: ['lib.es2022.d.ts'],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (path) => path === name || fileExists(path);
  host.getSourceFile = (path, version, ...rest) =>
    path === name ? ts.createSourceFile(path, text, version) : getSourceFile.call(host, path, version, ...rest);
  const program = ts.createProgram([name], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}
