// Joins what blocks have summed.
#include "columns.cuh"

// The sums of the columns of `[parts, columns]`, in an order that depends on nothing but their number.
KERNEL(join, const float *__restrict__ sums_of_parts, float *__restrict__ sums, unsigned columns, unsigned parts) {
    SHARED(float, shared, MAX_THREADS);
    const unsigned column = blockIdx.x * blockDim.x + threadIdx.x;
    float sum[1] = {};
    if (column < columns) {
        for (unsigned part = threadIdx.y; part < parts; part += blockDim.y) sum[0] += sums_of_parts[size_t(part) * columns + column];
    }
    add_columns<1>(sum, shared);
    if (threadIdx.y == 0 && column < columns) sums[column] = sum[0];
}
