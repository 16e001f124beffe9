// tflm_runner MODEL INPUTS OUTPUTS [fresh]: TFLite-Micro's own kernels over raw inputs, back to back (../make_zoo.py).
// With "fresh" each input meets a new interpreter. To be built with the sources of TFLite-Micro (reference kernels),
// flatbuffers, gemmlowp and ruy: -DTF_LITE_STATIC_MEMORY -fno-exceptions -fno-rtti -fwrapv.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <vector>

#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

alignas(16) uint8_t arena[4 << 20];

std::vector<char> Read(const char* path) {
  std::ifstream file(path, std::ios::binary);
  return std::vector<char>(std::istreambuf_iterator<char>(file), {});
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<char> model = Read(argv[1]);
  const std::vector<char> inputs = Read(argv[2]);
  std::ofstream outputs(argv[3], std::ios::binary);
  const bool fresh = argc > 4 && !std::strcmp(argv[4], "fresh");
  tflite::MicroMutableOpResolver<40> ops;
  ops.AddAdd();
  ops.AddAssignVariable();
  ops.AddAveragePool2D();
  ops.AddCallOnce();
  ops.AddConcatenation();
  ops.AddConv2D();
  ops.AddDepthwiseConv2D();
  ops.AddDequantize();
  ops.AddFullyConnected();
  ops.AddHardSwish();
  ops.AddLeakyRelu();
  ops.AddLogistic();
  ops.AddMaxPool2D();
  ops.AddMean();
  ops.AddMul();
  ops.AddPack();
  ops.AddPad();
  ops.AddPadV2();
  ops.AddQuantize();
  ops.AddReadVariable();
  ops.AddRelu();
  ops.AddRelu6();
  ops.AddReshape();
  ops.AddShape();
  ops.AddSoftmax();
  ops.AddSplit();
  ops.AddSplitV();
  ops.AddStridedSlice();
  ops.AddSub();
  ops.AddSvdf();
  ops.AddTanh();
  ops.AddTranspose();
  ops.AddUnidirectionalSequenceLSTM();
  ops.AddVarHandle();
  size_t at = 0;
  while (at < inputs.size()) {
    auto* allocator = tflite::MicroAllocator::Create(arena, sizeof(arena));
    auto* variables = tflite::MicroResourceVariables::Create(allocator, 24);
    tflite::MicroInterpreter interpreter(tflite::GetModel(model.data()), ops, allocator, variables);
    if (interpreter.AllocateTensors() != kTfLiteOk) return 2;
    do {
      for (size_t i = 0; i < interpreter.inputs_size(); i++) {
        TfLiteTensor* x = interpreter.input(i);
        if (at + x->bytes > inputs.size()) return 4;
        std::memcpy(x->data.raw, inputs.data() + at, x->bytes);
        at += x->bytes;
      }
      if (interpreter.Invoke() != kTfLiteOk) return 3;
      for (size_t i = 0; i < interpreter.outputs_size(); i++) {
        outputs.write(interpreter.output(i)->data.raw, interpreter.output(i)->bytes);
      }
    } while (!fresh && at < inputs.size());
  }
}
