export type { Pipeline, PipelineDeclaration } from './declaration.ts';
export { definePipeline, pipelineKit, secret } from './define.ts';
